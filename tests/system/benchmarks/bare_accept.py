"""The least that accepting a DELETE needs: one transaction that moves the package and writes record and messages.

`python -m tests.system.benchmarks.bare_accept PORT DATABASE_URL COUNT` makes tables of its own with packages from 1 on.
"""

import asyncio
import sys
from typing import Final

import asyncpg
from aiohttp import web

from service import event_loop

_TABLES: Final = """
DROP SCHEMA IF EXISTS bare_accept CASCADE;
CREATE SCHEMA bare_accept;
CREATE TABLE bare_accept.package (LIKE public.package INCLUDING ALL);
CREATE TABLE bare_accept.deletion (id uuid PRIMARY KEY, package_id bigint NOT NULL UNIQUE, state text NOT NULL);
CREATE TABLE bare_accept.outbox (position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, routing_key text NOT NULL,
    body json NOT NULL);
"""
_FILL: Final = """
INSERT INTO bare_accept.package (id, project_id, package_type, name, version)
SELECT n, 101, 'generic', 'bulk-' || n, '1.0' FROM generate_series(1, $1::bigint) n
"""
_ACCEPT: Final = """
WITH moved AS (
    UPDATE bare_accept.package SET status = 'processing' WHERE id = $1 AND status = 'default'
 RETURNING id, name, version
), accepted AS (
    INSERT INTO bare_accept.deletion SELECT gen_random_uuid(), id, 'queued' FROM moved RETURNING id, package_id
), written AS (
    INSERT INTO bare_accept.outbox (routing_key, body)
    SELECT k.routing_key, json_build_object('specversion', '1.0', 'id', a.id, 'subject', a.package_id,
               'type', 'io.packyard.package.deletion_requested.v1', 'time', now(), 'recordedtime', now(),
               'correlationid', a.id, 'causationid', a.id, 'data', json_build_object('deletion_id', a.id,
                   'package_id', a.package_id, 'package_name', m.name, 'package_version', m.version, 'files', 1))
      FROM accepted a JOIN moved m ON m.id = a.package_id,
           unnest(ARRAY['delete.interactive', 'package.deletion_requested.generic.10.101']) k (routing_key)
)
SELECT id::text FROM accepted
"""


async def serve(port: int, database_url: str, count: int) -> None:
    """Serve `DELETE /<id>` until the process is ended."""
    async with asyncpg.create_pool(database_url, min_size=10, max_size=10) as pool:
        await pool.execute(_TABLES)
        await pool.execute(_FILL, count)

        async def accept(request: web.Request) -> web.Response:
            accepted = await pool.fetchval(_ACCEPT, int(request.match_info["id"]))
            headers = {"Deletion-Id": accepted, "Link": f'</deletions/{accepted}>; rel="status"'}
            return web.Response(status=204 if accepted else 404, headers=headers if accepted else {})

        app = web.Application()
        app.router.add_delete("/{id}", accept)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    event_loop.run(serve(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
