# NumPy arrays with TransformerLens's names: the numbers of the JSON form.
. "$CASES/lib.sh"
exec 2>&1
facts_model m
lancet attention m 'The boy took' -o maps.npz --layers 0,2 --heads 1,3
lancet attention m 'The boy took' --format npz --layers 0,2 --heads 1,3 | cmp - maps.npz
grep -a -o "[a-z0-9._]*\.npy" maps.npz | sort -u
grep -a -o "'descr': [^}]*" maps.npz | sed "s/<U[0-9]*/<UN/"
# The numbers of an array stand behind its head of 128 bytes.
numbers() {
    at=$(grep -a -b -o "'descr': '<f4'" maps.npz | sed -n "$1s/:.*//p")
    tail -c +$((at - 10 + 128)) maps.npz | head -c 72 | od -A n -v -t f4 | tr -s ' ' '\n' | sed '/^$/d' | awk '{ printf "%.5g\n", $1 }'
}
for layer in 0 2; do
    numbers $((layer / 2 + 1)) >binary
    lancet attention m 'The boy took' -f json --digits 5 --layers $layer --heads 1,3 | sed -n '/^\[[0-9]/s/[]}[]*//gp' |
        tr , '\n' | sed '/^$/d' >text
    wc -l <text
    cmp text binary
done
lancet attention m 'The boy took' -f npz --scores | grep -a -o "[a-z0-9._]*scores\.npy" | sort -u
lancet attention m 'The boy took' -f npz --average-heads --layers 1 | grep -a -o "'shape': (1, [^}]*"
try lancet attention m 'The boy took' -f npz --topk 2
