# What heads look at: kinds, rankings, words; what cannot be found is said.
. "$CASES/lib.sh"
exec 2>&1
facts_model m
prompt='The boy took the book because it was heavy'
lancet heads m "$prompt" | cut -c 1-44
lancet heads m "$prompt" --find 'it->book' --top 3 >found
head -n 2 found
# The head that the model was made for looks from the pronoun to its noun.
awk 'NR == 3 { print $1, $2, ($3 >= 0.8) }' found
for threads in 1 2 3; do lancet --threads $threads heads m "$prompt" --find 'it->book' --top 3 | cmp - found; done
lancet heads m "$prompt" --sort entropy --layers 1-2 --heads 0 | wc -l
lancet heads m "$prompt" --find 'it->book' --json >json
sed -n '/"notation"/,/"heads"/p' json
grep -c '"previous_token":' json
lancet heads m --ids 5,6 --json --layers 0 --heads 0 | grep -o '"text": null' | sort -u

echo '-- what is refused'
try lancet heads m "$prompt" --find 'she->book'
try lancet heads m "$prompt" --find 'book->it'
try lancet heads m "$prompt" --find 'it'
try lancet heads m --ids 1,2,3 --find 'it->book'
try lancet heads m "$prompt" --find 'it->book' --sort entropy
try lancet heads m "$prompt" --sort wisdom
try lancet heads m "$prompt" --sort entropi
try lancet heads m "$prompt" --sort entropy --top 0
try lancet heads m --ids 5
try lancet heads m The --json
try lancet heads m "$prompt" --layers 9
try lancet heads m ''
head -c 20000000 /dev/zero | tr '\0' x | try lancet heads m -
try lancet heads m "$(head -c 100000 /dev/zero | tr '\0' x)"
