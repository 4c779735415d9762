#!/bin/sh
# Entry point of the image: puts the deployment's umg.toml and dagster.yaml into UMG_HOME, then becomes the command.
# The deployment's files count: what is changed in UMG_HOME is lost at the next start.
set -eu
umask 077
mkdir -p "$UMG_HOME/dagster" "$UMG_HOME/landing"
for file in umg.toml dagster/dagster.yaml; do
    install -m 600 "$CONFIGURATION/${file##*/}" "$UMG_HOME/$file.new"
    mv -f "$UMG_HOME/$file.new" "$UMG_HOME/$file"
done
exec "$@"
