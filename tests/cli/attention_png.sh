# Pictures: of one map, of a grid; the same for any number of threads, and a file or nothing.
. "$CASES/lib.sh"
exec 2>&1
facts_model m
prompt='The boy took the book because it was heavy'
size() { od -A n -t u1 -j 16 -N 8 "$1" | awk '{ print $3 * 256 + $4 " x " $7 * 256 + $8 }'; }
lancet attention m "$prompt" -o one.png --layers 0 --heads 1
head -c 8 one.png | od -A n -c
size one.png
lancet attention m "$prompt" -o grid.png
size grid.png
for threads in 1 2 3; do lancet --threads $threads attention m "$prompt" -f png | cmp - grid.png; done
lancet attention m "$prompt" -f png --average-heads >mean.png
size mean.png
lancet attention m "$prompt" -f png --scores --layers 1 --heads 0 --tokens 0:2 >scores.png
size scores.png
try lancet attention m "$prompt" -o one.png --layers 0 --heads 1
try lancet attention m "$prompt" -f png --topk 2
try lancet attention m "$prompt" -f png -o /dev/full
ls
