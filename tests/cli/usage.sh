# Everything that is wrong with a command line: one sentence on stderr, nothing on stdout, exit status 2.
. "$CASES/lib.sh"
exec 2>&1
try lancet
try lancet nonsense
try lancet tensro x
try lancet --jsno info x
try lancet --json=1 info x
try lancet info
try lancet info a b
try lancet info --top 3 a
try lancet --threads 0 info x
try lancet --threads x info x
try lancet --threads 99999 info x
try lancet --threads
try lancet --color red info x
try lancet info x --progress sometimes
try lancet completion powershell
try lancet help nonsense
try lancet help tensro
try lancet tensors
try lancet info ''
