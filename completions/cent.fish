# Completion of cent for fish.

# The words before the cursor that are no options and no values of options, without the program.
function __cent_words
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
                case --params --config --timeout --retry --batch --color --completions
                    set skip 1
                case '-?*'
                case '*'
                    printf '%s\n' $word
            end
        end
    end
end

function __cent_wants_word
    set -l words (__cent_words)
    test (count $words) -eq $argv[1]
    and not string match -qr -- '^--(sections|completions(=.*)?)$' (commandline -opc)
end

# Asks the program that is to be run about the config file of this line; a pipe is left to it, and without a file there
# is nothing to ask.
function __cent_ask
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
    __cent_ask --sections | string match -v -- '-*'
end

# A dry run sends nothing, and shows which of the two forms the section's server is spoken to in.
function __cent_methods
    set -l first publish broadcast unsubscribe disconnect presence history channels stats node
    set -l later publish broadcast subscribe unsubscribe disconnect refresh presence presence_stats history \
        history_remove channels info rpc map_publish map_remove map_read_state map_read_stream map_stats map_clear \
        shared_poll_publish
    set -l request (__cent_ask --dry-run -- (__cent_words)[1] info)
    if string match -q -- 'X-API-Sign: *' $request
        printf '%s\n' $first
    else if string match -q -- 'Authorization: *' $request
        printf '%s\n' $later
    else
        printf '%s\n' $first $later | sort -u
    end
end

# Files after an @.
function __cent_params
    set -l token (string unescape -- (commandline -ct | string replace -r '^--params=' ''))
    string match -q -- '@*' $token; or return
    set -l path (string sub -s 2 -- $token)
    for file in $path*
        test -d $file; and set file $file/
        printf '@%s\n' $file
    end
end

complete -c cent -f
complete -c cent -n '__cent_wants_word 0' -k -a '(__cent_sections)'
complete -c cent -n '__cent_wants_word 1' -k -a '(__cent_methods)'
complete -c cent -l params -x -a '(__cent_params)' -d 'Params: a JSON object, @FILE, or -'
complete -c cent -l config -r -F -d 'Config file instead of ~/.centrc'
complete -c cent -l timeout -x -d 'Limit for one try'
complete -c cent -l retry -x -d 'Tries after the first, if nothing was accepted'
complete -c cent -s l -l lines -d 'Many commands: params a line of standard input'
complete -c cent -l batch -x -d 'With --lines: commands a request'
complete -c cent -s c -l compact -d 'One line instead of pretty-printed'
complete -c cent -s q -l quiet -d 'Nothing on standard output'
complete -c cent -s v -l verbose -d 'Request, status, sizes, times on standard error'
complete -c cent -s n -l dry-run -d 'Check all, print the request, send nothing'
complete -c cent -l color -x -a 'auto always never' -d Colours
complete -c cent -l sections -d 'Names of the config file\'s sections'
complete -c cent -l completions -x -a 'bash zsh fish' -d 'Completion script'
complete -c cent -s h -l help -d Help
complete -c cent -s V -l version -d Version
