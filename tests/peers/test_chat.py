"""Chats beside transformers, live:

    test_chat.py LANCET

The ids of `lancet generate --chat` and those of apply_chat_template with add_generation_prompt, for the published templates of the five
forms: SmolLM2's own and Gemma 3's tokenizer (LANCET_REAL), and SmolLM2's tokenizer with the special tokens of the others. Texts hold no special
tokens: those stay text in lancet, on purpose. Prints TAP.
"""

import json
import os
import subprocess
import sys
import tempfile

import transformers

transformers.utils.logging.disable_progress_bar()

CHATML = ("{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
          "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
LLAMA3 = ("{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + "
          "'<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}"
          "{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}")
LLAMA2 = ("{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}"
          "{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
          "{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + "
          "message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
          "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
          "{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}")
GEMMA = ("{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set first = messages[0]['content'] + '\\n\\n' %}{% set loop_messages = messages[1:] %}"
         "{% else %}{% set first = '' %}{% set loop_messages = messages %}{% endif %}{% for message in loop_messages %}"
         "{{ '<start_of_turn>' + message['role'] + '\\n' + (first if loop.first else '') }}{{ message['content'] | trim }}{{ '<end_of_turn>\\n' }}"
         "{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\\n'}}{% endif %}")
PHI3 = ("{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>\\n' + message['content'] + '<|end|>\\n'}}"
        "{% elif message['role'] == 'user' %}{{'<|user|>\\n' + message['content'] + '<|end|>\\n'}}{% elif message['role'] == 'assistant' %}"
        "{{'<|assistant|>\\n' + message['content'] + '<|end|>\\n'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}"
        "{% else %}{{ eos_token }}{% endif %}")

# name -> (tokenizer, template or None for its own, special tokens that are added, those of them that take white space behind them)
FORMS = {
    "SmolLM2, its own": ("smollm2", None, [], []),
    "ChatML": ("smollm2", CHATML, [], []),
    "Llama-3": ("smollm2", LLAMA3, ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"], []),
    "Llama-2": ("smollm2", LLAMA2, [], []),
    "Gemma": ("gemma3", GEMMA, [], []),
    "Phi-3": ("smollm2", PHI3, ["<|end|>"], ["<|system|>", "<|user|>", "<|assistant|>"]),
}
USERS = ["What is the capital of France?", "  two\n\nlines \n", "\nCafé 全世界最高的山是 😀", "a"]
SYSTEMS = [None, "Be brief.", "Zwei\nZeilen"]


def make(folder, real, form):
    name, template, plain, greedy = FORMS[form]
    tokenizer = transformers.AutoTokenizer.from_pretrained(os.path.join(real, name))
    tokenizer.add_special_tokens({"additional_special_tokens": plain + [transformers.AddedToken(t, rstrip=True, special=True)
                                                                        for t in greedy]})
    if template:
        tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    config = transformers.LlamaConfig(vocab_size=len(tokenizer), hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
                                      num_key_value_heads=1, bos_token_id=tokenizer.bos_token_id, max_position_embeddings=512)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return transformers.AutoTokenizer.from_pretrained(folder)


def ours(program, folder, user, system):
    options = [] if system is None else ["--system", system]
    run = subprocess.run([program, "generate", folder, user, "--chat", *options, "-n", "0", "--json"], check=True, capture_output=True)
    return [token["id"] for token in json.loads(run.stdout)["tokens"]]


def differences(program, folder, tokenizer):
    different = []
    for system in SYSTEMS:
        for user in USERS:
            messages = ([] if system is None else [{"role": "system", "content": system}]) + [{"role": "user", "content": user}]
            expected = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=False)
            found = ours(program, folder, user, system)
            if found != expected:
                different.append((system, user, found, expected))
    return different


def main():
    program, real = sys.argv[1], os.environ.get("LANCET_REAL", "/no")
    failed = 0
    for n, form in enumerate(FORMS, 1):
        if not os.path.isdir(os.path.join(real, FORMS[form][0])):
            print(f"ok {n} {form} # SKIP LANCET_REAL does not hold {FORMS[form][0]}", flush=True)
            continue
        with tempfile.TemporaryDirectory() as folder:
            different = differences(program, folder, make(folder, real, form))
        failed += bool(different)
        print(f"{'not ok' if different else 'ok'} {n} {form}: ids of {len(USERS) * len(SYSTEMS)} chats equal; {different}", flush=True)
    print(f"1..{len(FORMS)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
