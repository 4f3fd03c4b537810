# The scripts are scripts: each shell that is here reads its own without a complaint.
. "$CASES/lib.sh"
for shell in bash zsh fish; do
    lancet completion $shell >script.$shell
    for command in info tensors help completion; do
        grep -q "$command" script.$shell || echo "$shell: no $command"
    done
done
if command -v bash >/dev/null; then
    bash -n script.bash
    bash -c 'source ./script.bash
        complete() { :; }
        COMP_WORDS=(lancet inf) COMP_CWORD=1; _lancet; echo "${COMPREPLY[@]}"
        COMP_WORDS=(lancet --threads 4 tensors --na) COMP_CWORD=4; _lancet; echo "${COMPREPLY[@]}"
        COMP_WORDS=(lancet info --color a) COMP_CWORD=3; _lancet; echo "${COMPREPLY[@]}"'
fi
command -v zsh >/dev/null && zsh -n script.zsh
command -v fish >/dev/null && fish -n script.fish
true
