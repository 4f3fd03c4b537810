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
