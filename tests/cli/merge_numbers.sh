# Merges against doubles rounded once, bit for bit; the same bytes for any number of threads and any cap of memory.
python3 "$CASES/merge_numbers.py"
