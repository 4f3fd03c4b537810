# A signal that asks to stop ends a command that waits, with the status that a shell expects.
. "$CASES/lib.sh"
facts_model m
mkfifo prompt
for signal in TERM HUP; do
    # A parent that ignores a signal (nohup) would hand that on.
    env --default-signal=HUP,TERM lancet predict m - <prompt &
    exec 3>prompt
    wait_for_model $!
    kill -$signal $!
    wait $!
    echo "$signal [exit $?]"
    exec 3>&-
done
