# A folder as GGUF and back, byte for byte; other types; what is refused.
. "$CASES/lib.sh"
facts_model f
lancet convert f f.gguf
lancet info f.gguf
lancet tensors f.gguf '*.0.*' token_embd.weight
lancet verify f.gguf
lancet convert f.gguf back
lancet diff f back
cmp f/model.safetensors back/model.safetensors && echo the same bytes
ls back
lancet --json convert f.gguf half --dtype F16
lancet convert f q8.gguf --dtype Q8_0
lancet tensors q8.gguf '*.1.ffn*'
# the same next tokens from all of them
for model in f f.gguf back; do
    lancet predict $model 'The river Tovik flows through' --top 2
done
# the chat template goes along
echo '[INST] <<SYS>> [/INST]' >f/chat_template.jinja
lancet convert f chat.gguf --quiet
lancet convert chat.gguf chat --quiet
cmp f/chat_template.jinja chat/chat_template.jinja && echo the same template
lancet generate chat.gguf --chat 'Who?' -n 0 --json | grep '"chat"'
try lancet convert f f.gguf
lancet convert f f.gguf --force --quiet
try lancet convert f folder
try lancet convert f.gguf other.gguf
try lancet convert f.gguf q --dtype Q8_0
try lancet convert f x.gguf --dtype Q4_K
head -c 2000 f.gguf >cut.gguf
try lancet info cut.gguf
ls
