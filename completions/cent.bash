# Completion of cent for bash 3.2 or newer; bash-completion is not needed.

# Splits a line into words, removes quotes and backslashes, and expands nothing: COMP_WORDS would be split at = : and @,
# and contain the quotes. Sets
#   words     the words before the last one
#   cur       the last one
#   quote     the quote that is open at its end
#   kept      how many of its characters readline does not replace
#   closed    not empty if it has a quoted part that is closed
#   redirect  not empty if it is the file of a redirection
_cent_split() {
    local line=$1 chunk char begun=''
    words=() cur='' quote='' kept=0 closed='' redirect=''
    while [[ -n $line ]]; do
        if [[ $quote == "'" ]]; then
            chunk=${line%%\'*} line=${line#"${line%%\'*}"}
            cur+=$chunk
            [[ -n $line ]] && quote='' closed=1 line=${line:1}
        elif [[ $quote == '"' ]]; then
            chunk=${line%%[\\\"]*} line=${line#"${line%%[\\\"]*}"}
            cur+=$chunk
            case $line in
                \"*) quote='' closed=1 line=${line:1} ;;
                \\[\\\"\$\`]*) cur+=${line:1:1} line=${line:2} ;;
                \\*) cur+=\\ line=${line:1} ;;
            esac
        else
            chunk=${line%%[[:space:]\'\"\\=:@<>]*} line=${line#"${line%%[[:space:]\'\"\\=:@<>]*}"}
            cur+=$chunk
            [[ -n $chunk ]] && begun=1
            char=${line:0:1} line=${line:1}
            case $char in
                '') ;;
                [[:space:]\<\>])
                    if [[ -n $begun ]]; then
                        [[ -n $redirect ]] || words+=("$cur")
                        redirect=''
                    fi
                    cur='' kept=0 closed='' begun=''
                    [[ $char == [\<\>] ]] && redirect=1
                    ;;
                [\'\"]) quote=$char kept=${#cur} begun=1 ;;
                \\) cur+=${line:0:1} line=${line:1} begun=1 ;;
                @)
                    # Readline replaces it too.
                    [[ $COMP_WORDBREAKS == *@* ]] && kept=${#cur}
                    cur+=$char begun=1
                    ;;
                *)
                    cur+=$char begun=1
                    [[ $COMP_WORDBREAKS == *"$char"* ]] && kept=${#cur}
                    ;;
            esac
        fi
    done
    # Assignments before the command.
    while [[ ${words[0]-} == [A-Za-z_]*=* ]]; do
        words=("${words[@]:1}")
    done
}

# Parses words. Sets section, method, config, the option whose value is missing, none if there can be no SECTION,
# noparams if there can be no KEY=VALUE, and lines if one of these takes the line.
_cent_parse() {
    local word plain=''
    section='' method='' option='' none='' noparams='' lines=''
    config=${CENT_CONFIG:-$HOME/.centrc}
    for word in "${words[@]:1}"; do
        if [[ -n $option ]]; then
            [[ $option == --config ]] && config=$word
            option=''
        elif [[ -z $plain && $word == -?* ]]; then
            case $word in
                --) plain=1 ;;
                --config=*) config=${word#*=} ;;
                --completions) option=$word none=1 ;;
                --params=*) noparams=1 ;;
                --lines) lines=1 ;;
                --params | --config | --timeout | --retry | --retry-max-time | --batch | --rate | --journal | --unknown | \
                    --color)
                    option=$word
                    [[ $word == --params ]] && noparams=1
                    ;;
                --sections | --completions=*) none=1 ;;
                --*) ;;
                # The value follows, unless it is in the same word.
                -*p) option=--params noparams=1 ;;
                -*p*) noparams=1 ;;
                -*l*) lines=1 ;;
            esac
        elif [[ -z $section ]]; then
            section=$word
        elif [[ -z $method ]]; then
            method=$word
        fi
    done
    [[ $config == '~/'* ]] && config=$HOME/${config#'~/'}
}

# Runs the program of this command line with its config file. Does nothing if that is a pipe, because the program itself
# has to read it, or if it does not exist.
_cent_run() {
    [[ -f $config && -r $config ]] || return
    local program=${words[0]}
    [[ $program == '~/'* ]] && program=$HOME/${program#'~/'}
    program=$(type -P -- "$program" || type -P cent) || return
    "$program" --config="$config" "$@" 2>/dev/null </dev/null
}

# Offers those of these words that begin with cur, with the quotes of cur.
_cent_offer() {
    local word text
    for word; do
        [[ $word == "$cur"* ]] || continue
        text=${word:kept}
        case $quote in
            \') text=${text//\'/\'\\\'\'} ;;
            \") text=${text//\\/\\\\} text=${text//\"/\\\"} text=${text//\$/\\\$} text=${text//\`/\\\`} ;;
            *)
                if [[ $text == '~/'* ]]; then
                    printf -v text '~/%q' "${text#'~/'}"
                elif [[ -n $text ]]; then
                    printf -v text %q "$text"
                fi
                ;;
        esac
        COMPREPLY+=("$text")
    done
    # The word is not complete yet. Bash 3.2 has no compopt.
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}

# Offers files; $1 is the part of cur before the path.
_cent_files() {
    local path=${cur#"$1"} file home='' files=()
    [[ $path == '~/'* && $1 != *@ ]] && home=$HOME/ path=$HOME/${path#'~/'}
    while IFS= read -r file; do
        [[ -d $file ]] && file=$file/
        [[ -n $home ]] && file='~/'${file#"$home"}
        [[ -n $file ]] && files+=("$1$file")
    done <<<"$(compgen -f -- "$path")"
    _cent_offer "${files[@]}"
}

# Offers values of an option; $2 is the part of cur before the value.
_cent_values() {
    case $1 in
        --config | --journal) _cent_files "$2" ;;
        --params) [[ $cur == "$2"@* ]] && _cent_files "$2@" ;;
        --color) _cent_offer "$2"auto "$2"always "$2"never ;;
        --unknown) _cent_offer "$2"send "$2"skip ;;
        --completions) _cent_offer "$2"bash "$2"zsh "$2"fish ;;
    esac
}

_cent_sections() {
    local name names=()
    while IFS= read -r name; do
        [[ -z $name || $name == -* ]] || names+=("$name")
    done <<<"$(_cent_run --sections)"
    _cent_offer "${names[@]}"
}

# A dry run sends nothing, and shows which version of the API the section is for.
_cent_methods() {
    local v1='publish broadcast unsubscribe disconnect presence history channels stats node'
    local v2='publish broadcast subscribe unsubscribe disconnect refresh presence presence_stats history
        history_remove channels info rpc map_publish map_remove map_read_state map_read_stream map_stats map_clear
        shared_poll_publish'
    local IFS=$' \t\n'
    case $(_cent_run --dry-run -- "$section" info) in
        *$'\nX-API-Sign: '*) _cent_offer $v1 ;;
        *$'\nAuthorization: '*) _cent_offer $v2 ;;
        *) _cent_offer $v1 $v2 ;;
    esac
}

# Offers the params of the method, or files after @.
_cent_key_values() {
    local params='' list
    if [[ $cur == *@* && $cur != *=* ]]; then
        if [[ -n $lines && $cur == *@ ]]; then
            _cent_offer "$cur-"
        else
            _cent_files "${cur%%@*}@"
        fi
        return
    fi
    case $method in
        publish) params='channel= data:= b64data= skip_history:= tags:= idempotency_key= delta:= version:=
            version_epoch=' ;;
        broadcast) params='channels[]= data:= b64data= skip_history:= tags:= idempotency_key= delta:= version:=
            version_epoch=' ;;
        subscribe) params='user= channel= expire_at:= info:= b64info= client= data:= b64data= recover_since:=
            override:= session=' ;;
        unsubscribe) params='user= channel= client= session=' ;;
        disconnect) params='user= disconnect:= client= whitelist[]= session=' ;;
        refresh) params='user= client= expired:= expire_at:= info:= session=' ;;
        presence) params='channel=' ;;
        presence_stats) params='channel=' ;;
        history) params='channel= limit:= since:= reverse:=' ;;
        history_remove) params='channel=' ;;
        channels) params='pattern=' ;;
        rpc) params='method= params:=' ;;
        map_publish) params='channel= key= data:= b64data= stream_data:= b64stream_data= tags:= idempotency_key=
            delta:= version:= version_epoch= score:= key_mode=' ;;
        map_remove) params='channel= key= idempotency_key=' ;;
        map_read_state) params='channel= cursor= limit:= key= asc:= revision_offset:= revision_epoch=' ;;
        map_read_stream) params='channel= since_offset:= since_epoch= limit:= reverse:=' ;;
        map_stats) params='channel=' ;;
        map_clear) params='channel=' ;;
        shared_poll_publish) params='channel= key= version:= data:= b64data= epoch=' ;;
    esac
    IFS=$' \t\n' read -r -d '' -a list <<<"$params"
    if [[ -n $lines ]]; then
        # One of them takes the line.
        list+=("${list[@]/%=/@-}")
        [[ $params == *' data:='* ]] && list+=(data@-)
    fi
    _cent_offer "${list[@]}"
}

_cent_options() {
    _cent_offer --params= --config= --timeout= --retry= --retry-max-time= --idempotent --lines --batch= --rate= \
        --unordered --journal= --unknown= --check --compact --quiet --verbose --dry-run --color= --sections \
        --completions= --help --version
}

_cent() {
    local words cur quote kept closed redirect section method config option none noparams lines all
    COMPREPLY=()
    # --config may be after the cursor, too.
    _cent_split "$COMP_LINE "
    _cent_parse
    all=$config
    _cent_split "${COMP_LINE:0:COMP_POINT}"
    _cent_parse
    config=$all
    if [[ -n $closed ]]; then
        # Readline does not report where such a word begins.
        return
    elif [[ -n $redirect ]]; then
        _cent_files ''
    elif [[ -n $option ]]; then
        _cent_values "$option" ''
    elif [[ $cur == --*=* ]]; then
        _cent_values "${cur%%=*}" "${cur%%=*}="
    elif [[ $cur == -* ]]; then
        _cent_options
    elif [[ -n $method ]]; then
        [[ -n $noparams ]] || _cent_key_values
        [[ ${#COMPREPLY[@]} -gt 0 ]] || _cent_options
    elif [[ -n $none ]]; then
        return
    elif [[ -z $section ]]; then
        _cent_sections
    else
        _cent_methods
    fi
}

complete -F _cent cent
