#!/bin/sh
# Writes a note for every order: asks the API what there is to do, lets the
# model write it, and gives it back to the API. Needs API_HTTP, WRITER_URI
# and WRITER_MODEL.
set -u

# Text as the inside of a JSON string.
quote() { printf %s "$1" | sed 's/\\/\\\\/g; s/"/\\"/g'; }

model() { timeout 60 wget -q -O - --post-data "$2" "$WRITER_URI/api/$1"; }

# This version of the plugin doesn't pull models yet.
until model pull "{\"model\": \"$WRITER_MODEL\", \"stream\": false}" >/dev/null; do
    echo "the model $WRITER_MODEL is not to be had yet"
    sleep 2
done
echo "ready, with the model $WRITER_MODEL"
: >/tmp/ready

tab=$(printf '\t')
while :; do
    # Waits at the other end until there is an order.
    if ! order=$(timeout 60 wget -q -O - "$API_HTTP/outbox"); then
        sleep 1
        continue
    fi
    [ -n "$order" ] || continue
    IFS=$tab read -r id item quantity _ <<END
$order
END
    prompt="Thank a customer for ordering $quantity of $item, in one sentence."
    body="{\"model\": \"$WRITER_MODEL\", \"stream\": false, \"prompt\": \"$(quote "$prompt")\"}"
    note=$(model generate "$body" |
        sed -n 's/.*"response": *"\(\([^"\\]\|\\.\)*\)".*/\1/p' | sed 's/\\\(.\)/\1/g')
    if timeout 60 wget -q -O /dev/null --post-data "${note:-Thank you.}" "$API_HTTP/orders/$id/note"; then
        echo "order $id: $note"
    else
        sleep 1
    fi
done
