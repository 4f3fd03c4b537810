# The golden merges; nothing shared is changed.
[ -n "$LANCET_DATA" ] && [ -d "$LANCET_DATA/merge-golden" ] || { echo "skipped: LANCET_DATA has no merge-golden"; exit 77; }
python3 "$CASES/merge_golden.py" "$LANCET_DATA/merge-golden"
