# Help comes from the tables: it names what a user needs, wherever help is asked for.
. "$CASES/lib.sh"
lancet help >overview
lancet --help >same
cmp overview same
lancet -h | cmp - overview
# Every command of the overview has a help page with a usage line; both spellings give the same.
sed -n '/^commands/,/^$/s/^  \([a-z-]*\) .*/\1/p' overview >commands
test -s commands || echo "no commands in the overview"
while read -r command; do
    lancet help "$command" >page
    lancet "$command" --help | cmp - page
    lancet --json "$command" -h | cmp - page
    grep -q "^usage: lancet $command" page || echo "$command: no usage line"
    grep -q "^lancet $command: " page || echo "$command: no summary"
    awk 'length > 100 && !/lancet /' page | sed "s/^/$command: long line: /"
done <commands
lancet help info
lancet --version | sed 's/[0-9][0-9.]*$/VERSION/'
