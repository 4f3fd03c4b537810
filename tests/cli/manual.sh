# The manual page is well-formed and has every command.
. "$CASES/lib.sh"
lancet help --man >lancet.1
for section in NAME SYNOPSIS DESCRIPTION OPTIONS COMMANDS 'EXIT STATUS' ENVIRONMENT; do
    grep -q "^.SH $section$" lancet.1 || echo "no section $section"
done
for command in info tensors help completion; do
    grep -q "^.SS lancet $command" lancet.1 || echo "no $command"
done
if command -v man >/dev/null && command -v groff >/dev/null; then
    MANWIDTH=80 man --warnings -E UTF-8 -l lancet.1 2>&1 >/dev/null
fi
