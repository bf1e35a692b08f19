# Completion of cent for fish.

# The positional arguments before the cursor.
function __cent_arguments
    set -l skip
    set -l plain
    for word in (commandline -opc)[2..-1]
        if set -q skip[1]
            set skip
        else if set -q plain[1]
            printf '%s\n' $word
        else
            switch $word
                case --
                    set plain 1
                case --params -p --config --timeout --retry --retry-max-time --batch --rate --journal --unknown --color --completions
                    set skip 1
                case '-?*'
                case '*'
                    printf '%s\n' $word
            end
        end
    end
end

function __cent_is_at_argument
    set -l words (__cent_arguments)
    test (count $words) -eq $argv[1]
    and not string match -qr -- '^--(sections|completions(=.*)?)$' (commandline -opc)
end

# KEY=VALUE comes after SECTION and METHOD, and not with --params.
function __cent_is_at_param
    set -l words (__cent_arguments)
    test (count $words) -ge 2
    and not string match -qr -- '^(--params|-[a-z]*p)' (commandline -opc)
end

function __cent_has_lines
    string match -qr -- '^(--lines$|-[a-z]*l)' (commandline -opc)
end

# Runs the program of this command line with its config file. Does nothing if that is a pipe, because the program itself
# has to read it, or if it does not exist.
function __cent_run
    set -l config $HOME/.centrc
    test -n "$CENT_CONFIG"; and set config $CENT_CONFIG
    set -l words (commandline -op)
    set -l next
    for word in $words[2..-1]
        if set -q next[1]
            set config $word
            set next
        else if test "$word" = --config
            set next 1
        else if string match -q -- '--config=*' $word
            set config (string replace -- --config= '' $word)
        end
    end
    set config (string replace -r '^~/' -- "$HOME/" $config)
    test -f "$config" -a -r "$config"; or return
    set -l program (string replace -r '^~/' -- "$HOME/" $words[1])
    type -fq -- $program; or set program cent
    command $program --config=$config $argv 2>/dev/null </dev/null
end

function __cent_sections
    __cent_run --sections | string match -v -- '-*'
end

# A dry run sends nothing, and shows which version of the API the section is for.
function __cent_methods
    set -l v1 publish broadcast unsubscribe disconnect presence history channels stats node
    set -l v2 publish broadcast subscribe unsubscribe disconnect refresh presence presence_stats history \
        history_remove channels info rpc map_publish map_remove map_read_state map_read_stream map_stats map_clear \
        shared_poll_publish
    set -l request (__cent_run --dry-run -- (__cent_arguments)[1] info)
    if string match -q -- 'X-API-Sign: *' $request
        printf '%s\n' $v1
    else if string match -q -- 'Authorization: *' $request
        printf '%s\n' $v2
    else
        printf '%s\n' $v1 $v2 | sort -u
    end
end

# Files after an @, with the text before the file.
function __cent_files_after
    set -l path (string replace -r '^[^@]*@' '' -- $argv[1])
    set -l before (string replace -r '@.*' '@' -- $argv[1])
    for file in $path*
        test -d $file; and set file $file/
        printf '%s%s\n' $before $file
    end
end

function __cent_params
    set -l token (string unescape -- (commandline -ct | string replace -r '^--params=' ''))
    string match -q -- '@*' $token; and __cent_files_after $token
end

# The params of the method, or files after @.
function __cent_key_values
    set -l token (string unescape -- (commandline -ct))
    if string match -qr -- '^[^=]*@' $token
        if __cent_has_lines; and string match -q -- '*@' $token
            printf '%s-\n' $token
        else
            __cent_files_after $token
        end
        return
    end
    # Fish would offer what contains the token, too.
    string match -qr -- '[=[]' $token; and return
    set -l params
    switch (__cent_arguments)[2]
        case publish
            set params channel= data:= b64data= skip_history:= tags:= idempotency_key= delta:= version:= version_epoch=
        case broadcast
            set params channels'[]=' data:= b64data= skip_history:= tags:= idempotency_key= delta:= version:= \
                version_epoch=
        case subscribe
            set params user= channel= expire_at:= info:= b64info= client= data:= b64data= recover_since:= override:= \
                session=
        case unsubscribe
            set params user= channel= client= session=
        case disconnect
            set params user= disconnect:= client= whitelist'[]=' session=
        case refresh
            set params user= client= expired:= expire_at:= info:= session=
        case presence
            set params channel=
        case presence_stats
            set params channel=
        case history
            set params channel= limit:= since:= reverse:=
        case history_remove
            set params channel=
        case channels
            set params pattern=
        case rpc
            set params method= params:=
        case map_publish
            set params channel= key= data:= b64data= stream_data:= b64stream_data= tags:= idempotency_key= delta:= \
                version:= version_epoch= score:= key_mode=
        case map_remove
            set params channel= key= idempotency_key=
        case map_read_state
            set params channel= cursor= limit:= key= asc:= revision_offset:= revision_epoch=
        case map_read_stream
            set params channel= since_offset:= since_epoch= limit:= reverse:=
        case map_stats
            set params channel=
        case map_clear
            set params channel=
        case shared_poll_publish
            set params channel= key= version:= data:= b64data= epoch=
    end
    printf '%s\n' $params
    if __cent_has_lines
        # One of them takes the line.
        string replace -r '=$' @- -- $params
        contains -- data:= $params; and printf '%s\n' data@-
    end
end

complete -c cent -f
complete -c cent -n '__cent_is_at_argument 0' -k -a '(__cent_sections)'
complete -c cent -n '__cent_is_at_argument 1' -k -a '(__cent_methods)'
complete -c cent -n __cent_is_at_param -k -a '(__cent_key_values)'
complete -c cent -s p -l params -x -a '(__cent_params)' -d 'Method params: a JSON object, @FILE, or - for stdin'
complete -c cent -l config -r -F -d 'Config file'
complete -c cent -l timeout -x -d 'Time limit per attempt'
complete -c cent -l retry -x -d 'Retry up to N times if safe'
complete -c cent -l retry-max-time -x -d 'With --retry: start no attempt later than this'
complete -c cent -l idempotent -d 'Add idempotency keys, to retry status 4, too'
complete -c cent -s l -l lines -d 'Send one command per line of standard input'
complete -c cent -l batch -x -d 'With --lines: at most N commands per request'
complete -c cent -l rate -x -d 'With --lines: at most N commands per second'
complete -c cent -l unordered -d 'With --lines: have commands executed concurrently'
complete -c cent -l journal -r -F -d 'With --lines: record progress in FILE, to resume'
complete -c cent -l unknown -x -a 'send skip' -d 'With --journal: send or skip unknown lines'
complete -c cent -l check -d 'Check config, connection, credential and server'
complete -c cent -s c -l compact -d 'Print JSON on one line'
complete -c cent -s q -l quiet -d 'Print nothing but errors'
complete -c cent -s v -l verbose -d 'Print request, status, sizes and timing to stderr'
complete -c cent -s n -l dry-run -d 'Validate and print the request without sending it'
complete -c cent -l color -x -a 'auto always never' -d 'When to use color: auto, always or never'
complete -c cent -l sections -d 'List the sections of the config file'
complete -c cent -l completions -x -a 'bash zsh fish' -d 'Print a completion script: bash, zsh or fish'
complete -c cent -s h -l help -d 'Print help'
complete -c cent -s V -l version -d 'Print version'
