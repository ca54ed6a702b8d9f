/** The completion scripts of bash, zsh and fish. Each asks `beeline __complete` and shows the answer. */

import type { Shell } from './reply.js';

const BASH = `# bash completion of beeline: source it, or put it into /usr/share/bash-completion/completions/beeline
_beeline() {
  local reply where
  COMPREPLY=()
  mapfile -t reply < <("$1" __complete bash "\${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null)
  where=\${reply[0]:-none}
  COMPREPLY=("\${reply[@]:1}")
  case $where in
    file) compopt -o default 2>/dev/null ;;
    directory) compopt -o dirnames 2>/dev/null ;;
    command) mapfile -t COMPREPLY < <(compgen -c -- "$2") ;;
  esac
}
complete -F _beeline beeline
`;

const ZSH = `#compdef beeline
# zsh completion of beeline: source it, or put it into a folder of $fpath as _beeline
_beeline() {
  local line value where
  local -a reply offered
  reply=("\${(@f)$("\${(Q)words[1]}" __complete zsh "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null)}")
  where=\${reply[1]:-none}
  [[ $PREFIX == --*=* ]] && compset -P '*='
  # _describe wants "value:description", and a backslash before colons of the value.
  for line in "\${(@)reply[2,-1]}"; do
    value=\${line%%$'\\t'*}
    value=\${\${value//\\\\/\\\\\\\\}//:/\\\\:}
    [[ $line == *$'\\t'* ]] && value+=:\${line#*$'\\t'}
    offered+=("$value")
  done
  (( $#offered )) && _describe -t values beeline offered
  case $where in
    file) _files ;;
    directory) _files -/ ;;
    program*)
      shift $(( \${where#program } + 1 )) words
      (( CURRENT -= \${where#program } + 1 ))
      _normal
      ;;
  esac
}
if [[ \${funcstack[1]} == _beeline ]]; then
  _beeline "$@"
else
  compdef _beeline beeline
fi
`;

const FISH = `# fish completion of beeline: source it, or put it into ~/.config/fish/completions/beeline.fish
function __beeline_complete
    set -l words (commandline -opc)
    set -l token (commandline -ct)
    set -l reply ($words[1] __complete fish $words[2..] "$token" 2>/dev/null)
    set -l where $reply[1]
    set -e reply[1]
    printf '%s\\n' $reply
    switch "$where"
        case file
            __fish_complete_path (string replace -r '^--[^=]*=' '' -- $token)
        case directory
            __fish_complete_directories (string replace -r '^--[^=]*=' '' -- $token) ''
        case 'program *'
            set -l skip (math 1 + (string replace 'program ' '' -- $where))
            __fish_complete_subcommand --fcs-skip=$skip
    end
end
complete -c beeline -f -a '(__beeline_complete)'
`;

const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };

export function completionScript(shell: Shell): string {
  return SCRIPTS[shell];
}
