/* The least that a client can do: connect, write one request, read the response. */

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int connected(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found, *each;
    struct sockaddr_in address = {.sin_family = AF_INET};
    unsigned number = 0;
    int out = -1;

    for (const char *digit = port; *digit; digit++)
        number = 10 * number + (unsigned)(*digit - '0');
    address.sin_port = htons((unsigned short)number);
    if (inet_pton(AF_INET, host, &address.sin_addr) == 1) {
        out = socket(AF_INET, SOCK_STREAM, 0);
        return connect(out, (struct sockaddr *)&address, sizeof address) ? -1 : out;
    }
    if (getaddrinfo(host, port, &hints, &found))
        return -1;
    for (each = found; each; each = each->ai_next) {
        out = socket(each->ai_family, each->ai_socktype, each->ai_protocol);
        if (!connect(out, each->ai_addr, each->ai_addrlen))
            break;
        close(out);
        out = -1;
    }
    freeaddrinfo(found);
    return out;
}

/* floor HOST PORT REQUEST: exit 0 after a response with status 200. */
int main(int argc, char **argv)
{
    char response[4096];
    int server;
    size_t length;

    if (argc != 4)
        return 2;
    server = connected(argv[1], argv[2]);
    length = strlen(argv[3]);
    if (server < 0 || write(server, argv[3], length) != (ssize_t)length)
        return 1;
    if (read(server, response, sizeof response) < 12 || memcmp(response, "HTTP/1.1 200", 12))
        return 1;
    return 0;
}
