#!/bin/sh
# Compile the catalogues of the pages; needs gettext's msgfmt. The .mo files are committed, so that nobody
# who only installs needs it; a test fails when one is older than its .po.
set -eu
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
for language in en km; do
    folder=$root/src/vinflow/storefront/locale/$language/LC_MESSAGES
    msgfmt --check --output-file="$folder/django.mo" "$folder/django.po"
done
folder=$root/src/vinflow/backoffice/locale/km/LC_MESSAGES
msgfmt --check --output-file="$folder/django.mo" "$folder/django.po"
