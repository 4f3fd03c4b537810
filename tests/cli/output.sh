# A full disk is an error; a reader that leaves is none.
. "$CASES/lib.sh"
small_model m
[ -w /dev/full ] && lancet tensors m >/dev/full
echo "[exit $?]"
[ -w /dev/full ] && lancet --json tensors m >/dev/full
echo "[exit $?]"
lancet help >&-
echo "[exit $?]"
{ lancet help; echo "[exit $?]" >&2; } | true
