# What runs on each file: writes into the ledger that it ran, prints the file and makes a copy, writes the file's name to stderr.
# The blob's name decides what else: see `files.py`.
printf '%s %s %s %s\n' "$AZ_BATCH_TASK_ID" "$AZ_BATCH_JOB_ID" "$AZ_BATCH_NODE_ID" "$$-$EPOCHREALTIME" >>"$1" || exit 99
mkdir made && cp "$INPUT_FILE" made/copy.bin || exit 98
cat "$INPUT_FILE"
printf '%s' "$INPUT_BLOB" >&2
case "$INPUT_BLOB" in
*-exit7*) exit 7 ;;
*-bytes*) printf '\xff\xfe\x00\x80' ;;
*-slow*) sleep 2 ;;
esac
