# The golden edits and covariances through the command line; nothing shared is changed.
[ -n "$LANCET_DATA" ] && [ -d "$LANCET_DATA/edit-golden" ] || { echo "skipped: LANCET_DATA has no edit-golden"; exit 77; }
python3 "$CASES/edit_golden.py" "$LANCET_DATA/edit-golden"
