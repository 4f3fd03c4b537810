# Each tiny model of tests/numerics as GGUF and back: the same bytes (Gemma's norms may differ in the last bit), or why not.
. "$CASES/lib.sh"
for folder in "$CASES"/../numerics/tiny-*; do
    name=${folder##*/tiny-}
    mkdir $name
    cp $folder/config.json $folder/model.safetensors $name/
    echo "== $name"
    if lancet --quiet convert $name $name.gguf >out 2>err; then
        lancet --quiet convert $name.gguf back-$name
        lancet diff $name back-$name | tail -n 3
    else
        echo "exit $?"
        cat err
    fi
done
