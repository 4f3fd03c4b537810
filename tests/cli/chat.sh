# A chat: the form is told by the template, the user's text cannot leave its turn, and what fits nothing is refused.
. "$CASES/lib.sh"
exec 2>&1
facts_model m
template() { # as transformers writes it; this one is Llama-2's, whose marks are text
    python3 - "$1" <<'END'
import json, sys
config = json.load(open("m/tokenizer_config.json"))
config["chat_template"] = json.loads(sys.argv[1])
json.dump(config, open("m/tokenizer_config.json", "w"))
END
}
ids() { python3 -c 'import json, sys; d = json.load(sys.stdin); print(d.get("chat"), *[t["id"] for t in d["tokens"]])'; }
same() { # TEXT and what it is given by: the ids of a chat
    lancet tokenize m --ids "$1" >wanted
    shift
    lancet generate m --chat "$@" -n 0 --json | ids | sed 's/^Llama-2 //' | tr ' ' , | cmp - wanted
}
try lancet generate m --chat 'Who?'
template '"{{ messages }}"'
try lancet generate m --chat 'Who?'
template '"[INST] <<SYS>> [/INST]"'
same '[INST] Who? [/INST]' 'Who?'
same '[INST] Who? [/INST]' ' Who?
'
printf 'Who?\n' | same '[INST] Who? [/INST]' -
same "[INST] <<SYS>>
Be brief.
<</SYS>>

Who? [/INST]" 'Who?' --system 'Be brief.'
template '[{"name": "tool_use", "template": "x"}, {"name": "default", "template": "bos_token [INST] <<SYS>> [/INST]"}]'
lancet generate m --chat 'Who? <|endoftext|>' -n 0 --json | ids | tr ' ' '\n' | grep -cx 0 # the first token alone
echo '{{ messages }}' >m/chat_template.jinja # counts before the other
try lancet generate m --chat 'Who?'
rm m/chat_template.jinja
lancet generate m --chat 'Who?' -n 4 >one
lancet generate m --chat 'Who?' -n 4 --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["text"])' | cmp - one
try lancet generate m --chat --ids 1,2
try lancet generate m --chat
try lancet generate m 'Who?' --system x
