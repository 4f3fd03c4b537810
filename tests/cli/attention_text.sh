# JSON lines, CSV and safetensors: what stands in a token stays a token.
. "$CASES/lib.sh"
exec 2>&1
facts_model m
strange=$(printf 'a=1+1, "b"\n\033[31m</script>\302\233\342\200\256')
lancet attention m 'The boy took' -o maps.jsonl --layers 1 --heads 3
sed 's/[0-9]\.[0-9e-]*/N/g' maps.jsonl
lancet attention m 'The boy took' -f jsonl --layers 1 --average-heads --tokens 1:3 --topk 1 | sed '1d;s/[0-9]\.[0-9e-]*/N/g'
lancet attention m 'The boy took' -o maps.csv --layers 1 --heads 3
sed 's/[0-9]\.[0-9e-]*/N/g' maps.csv
lancet attention m 'The boy took' -f csv --layers 1 --average-heads --topk 1 | wc -l
lancet attention m "$strange" -f csv --layers 0 --heads 0 --topk 99 | cut -d , -f 6- | sed 's/,[^,]*$//' | LC_ALL=C sort -u
lancet attention m 'The boy' -f csv --scores --layers 0 --heads 0 | head -n 1
lancet attention m 'The boy' -f jsonl --scores --layers 0 --heads 0 | grep -c '"scores":'
lancet attention m --ids 1,2 -f csv --layers 0 --heads 0 | tail -n 1 | sed 's/[0-9]\.[0-9e-]*/N/g'
for format in json jsonl csv; do
    lancet attention m "$strange" -f $format >raw
    LC_ALL=C tr -d '\n -~\200-\377' <raw | wc -c
    grep -c "$(printf '\302\233\|\342\200\256')" raw
done
lancet attention m 'The boy took' -o maps.safetensors --layers 0,2 --heads 1,3
lancet attention m 'The boy took' -f safetensors --layers 0,2 --heads 1,3 | cmp - maps.safetensors
lancet tensors maps.safetensors
mkdir s
lancet attention m 'The boy took' -f safetensors --scores --average-heads --layers 3 >s/model.safetensors
lancet tensors s
# The bytes are the numbers of the other formats.
tail -c 72 maps.safetensors | od -A n -v -t f4 | tr -s ' ' '\n' | sed '/^$/d' | awk '{ printf "%.5g\n", $1 }' >binary
lancet attention m 'The boy took' -f json --digits 5 --layers 2 --heads 1,3 | sed -n '/^\[[0-9]/s/[]}[]*//gp' | tr , '\n' | sed '/^$/d' | cmp - binary
try lancet attention m 'The boy took' -f safetensors --topk 2
try lancet attention m 'The boy' -f csv --json
