"""The least that accepting a DELETE needs: one transaction that moves the package and writes record and messages.

`DELETE /<id>` does that alone. `DELETE /checked/<id>` also asks for the token, its role, holds and protection rules. It
writes the whole record, with the indexes by which others find it: the promises of the product, without figures.

`python -m tests.system.benchmarks.bare_accept PORT DATABASE_URL COUNT` makes tables of its own with packages from 1 on.
"""

import asyncio
import sys
from typing import Final

import asyncpg
from aiohttp import web

from service import event_loop
from service.digests import token_digest

_TABLES: Final = """
DROP SCHEMA IF EXISTS bare_accept CASCADE;
CREATE SCHEMA bare_accept;
CREATE TABLE bare_accept.package (LIKE public.package INCLUDING ALL);
CREATE TABLE bare_accept.deletion (id uuid PRIMARY KEY, package_id bigint NOT NULL UNIQUE, state text NOT NULL);
CREATE TABLE bare_accept.outbox (position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, routing_key text NOT NULL,
    body json NOT NULL);
CREATE TABLE bare_accept.record (LIKE public.deletion INCLUDING ALL);
CREATE TABLE bare_accept.message (LIKE public.outbox INCLUDING ALL);
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
_LEVEL: Final = """
SELECT (SELECT max(m.access_level) FROM membership m
         WHERE m.user_id = t.user_id AND (m.project_id = p.id OR m.group_id = ANY(g.ancestry)))
  FROM access_token t CROSS JOIN project p JOIN directory_group g ON g.id = p.group_id
 WHERE t.digest = $1 AND t.revoked_at IS NULL AND p.id = 101
"""
_ACCEPT_CHECKED: Final = """
WITH moved AS (
    UPDATE bare_accept.package p SET status = 'processing', updated_at = now()
     WHERE p.id = $1 AND p.status = 'default' AND deletion_hold_on(p.project_id) IS NULL
       AND NOT EXISTS (SELECT FROM protection_rule r
                        WHERE r.project_id = p.project_id AND r.package_type = p.package_type
                          AND r.minimum_access_level_for_delete > $2 AND name_matches(p.name, r.package_name_pattern))
 RETURNING p.id, p.project_id, p.name, p.version
), accepted AS (
    INSERT INTO bare_accept.record (id, request_event_id, project_id, root_group_id, package_id, package_type,
        package_name, package_version, prior_status, lane, cause, requested_by, requested_level, credential,
        files_total, bytes_total, wake_at)
    SELECT gen_random_uuid(), gen_random_uuid(), project_id, 10, id, 'generic', name, version, 'default', 'interactive',
           'user', 3, $2, 'personal_access_token', 1, 5, now() + interval '1 minute' FROM moved
 RETURNING id, request_event_id, package_id, package_name, package_version
), written AS (
    INSERT INTO bare_accept.message (id, kind, routing_key, body)
    SELECT a.request_event_id, k.kind, k.routing_key,
           jsonb_build_object('specversion', '1.0', 'id', a.id, 'subject', a.package_id,
               'type', 'io.packyard.package.deletion_requested.v1', 'time', now(), 'recordedtime', now(),
               'correlationid', a.id, 'causationid', a.id, 'data', jsonb_build_object('deletion_id', a.id,
                   'package_id', a.package_id, 'package_name', a.package_name, 'package_version', a.package_version,
                   'files', 1))
      FROM accepted a, (VALUES ('event', 'package.deletion_requested.generic.10.101'),
                               ('command', 'delete.interactive')) k (kind, routing_key)
)
SELECT id::text FROM accepted
"""
_MAINTAINER: Final = 40


async def serve(port: int, database_url: str, count: int) -> None:
    """Serve `DELETE /<id>` until the process is ended."""
    async with asyncpg.create_pool(database_url, min_size=10, max_size=10) as pool:
        await pool.execute(_TABLES)
        await pool.execute(_FILL, count)

        async def accept(request: web.Request) -> web.Response:
            return _answer(await pool.fetchval(_ACCEPT, int(request.match_info["id"])))

        async def accept_checked(request: web.Request) -> web.Response:
            level = await pool.fetchval(_LEVEL, token_digest(request.headers["PRIVATE-TOKEN"]))
            if level is None or level < _MAINTAINER:
                return web.Response(status=403)
            return _answer(await pool.fetchval(_ACCEPT_CHECKED, int(request.match_info["id"]), level))

        app = web.Application()
        app.router.add_delete("/{id}", accept)
        app.router.add_delete("/checked/{id}", accept_checked)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()


def _answer(accepted: str | None) -> web.Response:
    if accepted is None:
        return web.Response(status=404)
    headers = {"Deletion-Id": accepted, "Link": f'</deletions/{accepted}>; rel="status"'}
    return web.Response(status=204, headers=headers)


if __name__ == "__main__":
    event_loop.run(serve(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
