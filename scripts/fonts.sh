#!/bin/sh
# Make the web fonts of the payer's pages: fetch two OFL families by npm, keep the letters we set, write woff2.
#
#   sh scripts/fonts.sh        needs npm, and Python with fonttools and brotli (requirements/dev.txt)
#
# Kantumruy Pro sets Khmer on every page: the Khmer block, the joiners and the dotted circle.
# Nunito Sans sets the name and the amount on the KHQR card (tags 54 and 59 hold printable ASCII), and Latin text on
# devices without a system face of their own: ASCII and the few marks of our sentences.
set -eu

KANTUMRUY=5.3.0
NUNITO=5.3.0
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
out=$root/src/vinflow/storefront/static/storefront/fonts
python=${PYTHON:-$root/.venv/bin/python}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cd "$work"
npm init -y >/dev/null
npm install --no-audit --no-fund --silent "@fontsource/kantumruy-pro@$KANTUMRUY" "@fontsource/nunito-sans@$NUNITO"
mkdir -p "$out"

subset() { # family, file in the package, letters, file here
    "$python" -m fontTools.subset "node_modules/@fontsource/$1/files/$2" --unicodes="$3" \
        --layout-features='*' --flavor=woff2 --no-hinting --output-file="$out/$4"
}

for weight in 400 700; do
    subset kantumruy-pro "kantumruy-pro-khmer-$weight-normal.woff2" \
        "U+1780-17FF,U+19E0-19FF,U+200C-200D,U+25CC" "kantumruy-pro-khmer-$weight.woff2"
    subset nunito-sans "nunito-sans-latin-$weight-normal.woff2" "U+0020-007E,U+00A0,U+00B7,U+2013,U+2014,U+2019,U+2022,U+2026,U+2212" "nunito-sans-latin-$weight.woff2"
done
cp node_modules/@fontsource/kantumruy-pro/LICENSE "$out/OFL-Kantumruy-Pro.txt"
cp node_modules/@fontsource/nunito-sans/LICENSE "$out/OFL-Nunito-Sans.txt"
ls -l "$out"
