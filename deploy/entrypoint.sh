#!/bin/sh
# The image's command: the service without arguments, else a command of the CLI (migrate, help, …).
# exec makes node the process that gets the stop signal; a shell in between would swallow it.
app=$(dirname "$0")
if [ "$#" -eq 0 ]; then
  exec node --enable-source-maps "$app/dist/server.js"
fi
exec node --enable-source-maps "$app/dist/cli.js" "$@"
