#!/bin/sh
# One process of VinFlow, by its name: what the units and the container both run.
#
#   start.sh prepare   tables up to date, files for the web server in VINFLOW_STATIC_ROOT; before each new version
#   start.sh web       the pages, on VINFLOW_BIND:VINFLOW_PORT (127.0.0.1:8000), VINFLOW_WEB_WORKERS processes (1)
#   start.sh watch     looks for transfers; any number may run
#   start.sh alerts    tells people what needs attention
set -eu
case "${1:-}" in
prepare)
    vinflow manage migrate --no-input
    vinflow manage check --fail-level ERROR
    if [ -n "${VINFLOW_STATIC_ROOT:-}" ]; then vinflow manage collectstatic --no-input --verbosity 0; fi
    ;;
web)
    # Each open checkout holds one answer open for half an hour. Left to itself granian lets 1,024 answers run at once,
    # divided among its workers, and then nobody is served any more; the site itself opens 20,000 streams at most.
    # Without the kill time-out granian ignores a second SIGTERM after one that came while it was starting.
    exec granian vinflow.project.asgi:application --interface asgi --no-ws \
        --host "${VINFLOW_BIND:-127.0.0.1}" --port "${VINFLOW_PORT:-8000}" \
        --workers "${VINFLOW_WEB_WORKERS:-1}" --backpressure 25000 --workers-kill-timeout 3 \
        --log-level warning
    ;;
watch) exec vinflow watch ;;
alerts) exec vinflow manage staff_alerts --every 60 ;;
*)
    echo "start.sh prepare | web | watch | alerts" >&2
    exit 2
    ;;
esac
