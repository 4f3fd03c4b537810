# The picture of one map: numbers, shades, cells of several tokens; nothing of a prompt steers the terminal.
. "$CASES/lib.sh"
exec 2>&1
facts_model m
prompt='The boy took the book because it was heavy'
lancet attention m "$prompt" --layers 0 --heads 1 >map
sed 's/ *[0-9 ]*$//' map
# The noun in the row of its pronoun.
awk '$2 == "\"" && $3 == "it\"" { print "it -> book:", ($8 >= 80) }' map
lancet attention m "$prompt" -o map.txt --layers 0 --heads 1
cmp map map.txt
lancet attention m "$prompt" | head -n 1
lancet attention m "$prompt" --average-heads --layers 2 | head -n 1
lancet attention m "$prompt" --scores --layers 2 --heads 0 | head -n 2
long="$prompt and the king of the old city was there because it was a heavy book"
lancet attention m "$long" --layers 0 --heads 1 | sed -n '1,2p;$p'
LC_ALL=C lancet attention m "$long" --layers 0 --heads 1 | tail -n 1
yes "$prompt" | head -n 9 | lancet attention m - --layers 0 --heads 1 | sed -n '1,3p' | cut -c 1-70
yes "$prompt" | head -n 9 | lancet attention m - --layers 0 --heads 1 | wc -L
# Colours: a line for two rows where cells are small.
esc=$(printf '\033')
lancet attention m "$long" --color always --layers 0 --heads 1 | grep -c "$esc\[48;5;"
yes "$prompt" | head -n 9 | lancet attention m - --color always --layers 0 --heads 1 | grep -c '▀'
strange=$(printf 'a\033[31m\nb\302\233\342\200\256')
lancet attention m "$strange" --layers 0 --heads 0 | cut -c 1-14
lancet attention m "$strange" --layers 0 --heads 0 | LC_ALL=C tr -d '\n -~' | wc -c
lancet attention m --ids 1,2,3 --layers 0 --heads 0 | cut -c 1-10
