/* Runs a program and prints what it took. Small, because the memory of the starting process counts as the program's. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

/* launch IN OUT PROGRAM [ARG…]: prints nanoseconds, peak KiB, page faults, exit status. */
int main(int argc, char **argv)
{
    posix_spawn_file_actions_t actions;
    struct timespec start, end;
    struct rusage used;
    pid_t program;
    int status;

    if (argc < 4)
        return 2;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, argv[1], O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0600);
    clock_gettime(CLOCK_MONOTONIC, &start);
    if (posix_spawnp(&program, argv[3], &actions, NULL, argv + 3, environ))
        return 1;
    if (wait4(program, &status, 0, &used) != program)
        return 1;
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%lld %ld %ld %d\n", (end.tv_sec - start.tv_sec) * 1000000000LL + (end.tv_nsec - start.tv_nsec),
           used.ru_maxrss, used.ru_minflt, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return 0;
}
