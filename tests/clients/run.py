"""Real clients of Athena against the local one: `make clients`, or `python -m tests.clients.run`.

Starts a server, fills a table, and has pyathena, awswrangler and dbt (in .venv-clients) use it with their defaults. It
is not a pytest test, because these clients need many packages. Exits with 0 only if every client succeeded.
"""

import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from tests.infra.lake import CSV, Lake
from tests.support.local_server import ACCOUNT, REGION, Server, allow, running

CHECKOUT = Path(__file__).parents[2]
PROGRAMS = CHECKOUT / ".venv-clients" / "bin"
HERE = Path(__file__).parent
NAME = "clients"
CLIENTS = ("pyathena", "awswrangler", "dbt")


def make_lake(server: Server) -> Lake:
    """A database with one partitioned table, and a workgroup that lets its clients choose the output."""
    lake = Lake.create(server, NAME, enforced=False)
    lake.put("t/dt=1/a.csv", b"1,anna\n2,ben\n")
    lake.table("t", "id string, name string", CSV, keys="dt string")
    lake.partition("t", "1", folder="dt=1")
    return lake


def environment(server: Server, lake: Lake, folder: Path) -> dict[str, str]:
    """What a client needs: where the server is, and the keys of a user with the rights of Athena's pages."""
    keys = server.user("client", [allow(["athena:*", "glue:*", "s3:*", "sts:GetCallerIdentity"], ["*"])])
    return {
        "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
        "HOME": str(folder),
        "AWS_ENDPOINT_URL": server.endpoint_url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": keys["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": keys["aws_secret_access_key"],
        "AWS_EC2_METADATA_DISABLED": "true",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "CLIENT_DATABASE": lake.name,
        "CLIENT_WORKGROUP": lake.name,
        "CLIENT_OUTPUT": f"s3://{lake.results}/client/",
        "CLIENT_ACCOUNT": ACCOUNT,
    }


def write_project(folder: Path) -> None:
    """A dbt project with one model, a table with dbt's defaults, and one test of it."""
    files = {
        "dbt_project.yml": """
            name: clients
            version: 1.0.0
            profile: clients
            model-paths: [models]
            models: {clients: {+materialized: table}}
            flags: {send_anonymous_usage_stats: false}
            """,
        "profiles.yml": """
            clients:
              target: local
              outputs:
                local:
                  type: athena
                  s3_staging_dir: "{{ env_var('CLIENT_OUTPUT') }}"
                  s3_data_dir: "{{ env_var('CLIENT_OUTPUT') }}dbt/"
                  region_name: "{{ env_var('AWS_REGION') }}"
                  database: awsdatacatalog
                  schema: "{{ env_var('CLIENT_DATABASE') }}"
                  work_group: "{{ env_var('CLIENT_WORKGROUP') }}"
                  threads: 1
            """,
        "models/people.sql": """
            select cast(id as bigint) as id, upper(name) as name from {{ source('lake', 't') }}
            """,
        "models/sources.yml": """
            version: 2
            sources:
              - name: lake
                schema: "{{ env_var('CLIENT_DATABASE') }}"
                tables: [{name: t}]
            models:
              - name: people
                columns: [{name: id, data_tests: [not_null, unique]}]
            """,
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip())


def try_client(client: str, variables: dict[str, str], folder: Path) -> bool:
    """Run one client's program; print what it printed if it failed."""
    if client == "dbt":
        if not (PROGRAMS / "dbt").exists():
            sys.stdout.write("- dbt: not available for this Python (requirements/clients.in)\n")
            return True
        write_project(folder)
        command = ["dbt", "--no-use-colors", "build", "--project-dir", str(folder), "--profiles-dir", str(folder)]
    else:
        command = ["python", str(HERE / f"use_{client}.py")]
    program = str(PROGRAMS / command[0])
    ran = subprocess.run([program, *command[1:]], cwd=folder, env=variables, capture_output=True, text=True)
    if client == "dbt" and not ran.returncode:
        # The second run replaces the table.
        ran = subprocess.run([program, *command[1:]], cwd=folder, env=variables, capture_output=True, text=True)
    sys.stdout.write(f"{'✗' if ran.returncode else '✓'} {client}\n")
    if ran.returncode:
        sys.stdout.write(ran.stdout[-4000:] + ran.stderr[-4000:])
    return ran.returncode == 0


def main() -> int:
    """Try every client, or those of the arguments."""
    chosen = sys.argv[1:] or CLIENTS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "server").mkdir()
        with running(folder / "server") as server:
            lake = make_lake(server)
            variables = environment(server, lake, folder)
            results = [try_client(client, variables, folder) for client in chosen]
            if "dbt" in chosen and (PROGRAMS / "dbt").exists() and all(results):
                results.append(lake.rows("SELECT * FROM people ORDER BY id") == [["1", "ANNA"], ["2", "BEN"]])
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
