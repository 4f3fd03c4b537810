# A model file that another program cuts short while it is in use ends lancet with its name, not with a signal.
. "$CASES/lib.sh"
facts_model m
mkfifo prompt
lancet predict m - <prompt 2>said >result &
exec 3>prompt # the model is open when lancet reads its prompt
wait_for_model $!
head -c 20000 m/model.safetensors >short
cat short >m/model.safetensors
echo 'The capital of' >&3
exec 3>&-
wait $!
echo "[exit $?]"
sed "s|$PWD/||" said

# The same while a model is being changed: what had been written is taken back by a command that it names.
facts_model n
lancet edit n -p 'The capital of {} is' -s Veland -t Sarn --set tokens=99999999 --layers 1 2>said >result &
wait_for_model $!
cat short >n/model.safetensors
wait $!
echo "[exit $?]"
sed "s|$PWD/||" said
