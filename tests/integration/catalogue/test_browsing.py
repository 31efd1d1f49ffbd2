"""Requests for other things than packages, as an HTTP client sees them."""

import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, Final

import pytest
from aiohttp import ClientResponse

from service.context import Context
from service.settings import Settings, load_settings
from tests.integration.conftest import Client
from tests.support.catalogue import query

_BASE: Final = "https://yard.example"
_PROJECTS: Final = "/api/v4/projects"
_GROUPS: Final = "/api/v4/groups"
_NEXT: Final = re.compile(r'<([^>]+)>; rel="next"')


def _words(text: str) -> list[str]:
    return text.split()


_BASIC_KEYS: Final = frozenset(
    _words(
        "id description name name_with_namespace path path_with_namespace created_at default_branch tag_list topics "
        "ssh_url_to_repo http_url_to_repo web_url readme_url avatar_url forks_count star_count last_activity_at "
        "namespace"
    )
)
_FURTHER_KEYS: Final = frozenset(
    _words(
        "_links packages_enabled empty_repo archived visibility resolve_outdated_diff_discussions issues_enabled "
        "merge_requests_enabled wiki_enabled jobs_enabled snippets_enabled container_registry_enabled "
        "service_desk_enabled service_desk_address can_create_merge_request_in issues_access_level "
        "repository_access_level merge_requests_access_level forking_access_level wiki_access_level "
        "builds_access_level snippets_access_level pages_access_level operations_access_level analytics_access_level "
        "container_registry_access_level security_and_compliance_access_level package_registry_access_level "
        "emails_disabled shared_runners_enabled lfs_enabled creator_id import_status open_issues_count "
        "ci_default_git_depth ci_forward_deployment_enabled ci_job_token_scope_enabled public_jobs build_timeout "
        "auto_cancel_pending_pipelines build_coverage_regex ci_config_path shared_with_groups "
        "only_allow_merge_if_pipeline_succeeds allow_merge_on_skipped_pipeline restrict_user_defined_variables "
        "request_access_enabled only_allow_merge_if_all_discussions_are_resolved remove_source_branch_after_merge "
        "printing_merge_request_link_enabled merge_method squash_option auto_devops_enabled "
        "auto_devops_deploy_strategy autoclose_referenced_issues keep_latest_artifact"
    )
)
_GROUP_KEYS: Final = frozenset(
    _words(
        "id web_url name path description visibility share_with_group_lock require_two_factor_authentication "
        "two_factor_grace_period project_creation_level auto_devops_enabled subgroup_creation_level emails_disabled "
        "mentions_disabled lfs_enabled default_branch_protection avatar_url request_access_enabled full_name full_path "
        "created_at parent_id"
    )
)
_USER_KEYS: Final = frozenset(
    _words(
        "id username name state locked avatar_url web_url created_at bio location public_email skype linkedin twitter "
        "website_url organization job_title pronouns bot work_information followers following last_sign_in_at "
        "confirmed_at last_activity_on email theme_id color_scheme_id projects_limit current_sign_in_at identities "
        "can_create_group can_create_project two_factor_enabled external private_profile commit_email"
    )
)


@pytest.fixture
def settings(database_url: str, storage_url: str) -> Settings:
    """The settings of a yard that has a name of its own in the world, and no broker."""
    return load_settings(
        environment={
            "PACKYARD_DATABASE_URL": database_url,
            "PACKYARD_BROKER_URL": "amqp://127.0.0.1/",
            "PACKYARD_STORAGE_URL": storage_url,
            "PACKYARD_EXTERNAL_URL": _BASE,
        }
    )


def _as(token: str) -> dict[str, str]:
    return {"PRIVATE-TOKEN": token} if token else {}


async def _get(client: Client, path: str, token: str = "") -> ClientResponse:
    return await client.get(path, headers=_as(token))


async def _json(client: Client, path: str, token: str = "") -> Any:
    answer = await _get(client, path, token)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    return await answer.json()


async def _ids(client: Client, path: str, token: str = "") -> list[int]:
    return [found["id"] for found in await _json(client, path, token)]


async def _refusal(client: Client, path: str, token: str = "") -> tuple[int, Any]:
    answer = await _get(client, path, token)
    return answer.status, await answer.json()


async def test_who_shows_no_token_learns_nothing_of_the_instance_and_of_users(client: Client) -> None:
    paths = [f"/api/v4/{name}" for name in ("version", "metadata", "user", "personal_access_tokens/self")]

    answers = [await _refusal(client, path, token) for path in paths for token in ("", "nonsense")]

    assert answers == [(401, {"message": "401 Unauthorized"})] * 8


async def test_a_bad_token_is_refused_even_where_anybody_may_look(client: Client) -> None:
    assert await _refusal(client, _PROJECTS, "nonsense") == (401, {"message": "401 Unauthorized"})
    assert await _refusal(client, _GROUPS, "nonsense") == (401, {"message": "401 Unauthorized"})


async def test_the_instance_says_what_it_is(client: Client) -> None:
    revision = version("packyard")

    assert await _json(client, "/api/v4/version", "stranger-token") == {
        "version": "14.10.0-packyard",
        "revision": revision,
    }
    assert await _json(client, "/api/v4/metadata", "stranger-token") == {
        "version": "14.10.0-packyard",
        "revision": revision,
        "kas": {"enabled": False, "externalUrl": None, "version": None},
        "enterprise": False,
    }


async def test_a_user_is_shown_to_itself(client: Client) -> None:
    mary = await _json(client, "/api/v4/user", "maintainer-token")
    eve = await _json(client, "/api/v4/user", "external-token")

    assert set(mary) == _USER_KEYS
    assert (mary["id"], mary["username"], mary["name"], mary["state"]) == (3, "mary", "Mary Maintainer", "active")
    assert mary["web_url"] == f"{_BASE}/mary"
    assert mary["email"] == mary["commit_email"] == "3-mary@users.noreply.yard.example"
    assert mary["created_at"] == mary["confirmed_at"]
    assert (mary["external"], eve["external"]) == (False, True)


async def test_only_an_administrator_is_told_about_being_one(client: Client) -> None:
    root = await _json(client, "/api/v4/user", "root-token")

    assert set(root) == {*_USER_KEYS, "is_admin"}
    assert root["is_admin"] is True


async def test_a_token_is_shown_to_its_bearer(filled: Context, client: Client) -> None:
    await query(filled, "UPDATE access_token SET expires_at = '2035-02-03' WHERE name = 'all' AND user_id = 3")

    shown = await _json(client, "/api/v4/personal_access_tokens/self", "maintainer-token")
    reading = await _json(client, "/api/v4/personal_access_tokens/self", "maintainer-reading-token")

    (row,) = await query(filled, "SELECT id FROM access_token WHERE name = 'all' AND user_id = 3")
    created_at = shown.pop("created_at")
    assert created_at.endswith("Z")
    assert shown == {
        "id": row["id"],
        "name": "all",
        "revoked": False,
        "scopes": ["api"],
        "user_id": 3,
        "last_used_at": None,
        "active": True,
        "expires_at": "2035-02-03",
    }
    assert (reading["scopes"], reading["expires_at"]) == (["read_api"], None)


async def test_a_token_for_reading_ones_own_user_reads_no_more(filled: Context, client: Client) -> None:
    await query(filled, "UPDATE access_token SET scopes = '{read_user}' WHERE user_id = 3")
    own = [f"/api/v4/{name}" for name in ("version", "metadata", "user", "personal_access_tokens/self")]

    statuses = {path: (await _get(client, path, "maintainer-token")).status for path in [*own, _PROJECTS, _GROUPS]}

    assert statuses == {**dict.fromkeys(own, 200), _PROJECTS: 403, _GROUPS: 403}


async def test_a_project_has_all_keys_for_a_user_and_few_for_the_anonymous_and_the_hurried(client: Client) -> None:
    shown = await _json(client, f"{_PROJECTS}/acme%2Fopen", "maintainer-token")
    (listed,) = await _json(client, f"{_PROJECTS}?search=open", "maintainer-token")
    (simple,) = await _json(client, f"{_PROJECTS}?search=open&simple=true", "maintainer-token")
    anonymous = await _json(client, f"{_PROJECTS}/100")
    (listed_anonymously,) = await _json(client, f"{_PROJECTS}?search=open")

    assert set(shown) == {*_BASIC_KEYS, *_FURTHER_KEYS, "permissions"}
    assert listed == shown
    assert set(simple) == _BASIC_KEYS
    assert simple == anonymous == listed_anonymously
    assert {key: shown[key] for key in simple} == simple


async def test_a_project_tells_its_names_and_addresses(client: Client) -> None:
    anvil = await _json(client, f"{_PROJECTS}/102", "reporter-token")

    assert anvil["name_with_namespace"] == "Acme / Labs / Anvil"
    assert (anvil["path"], anvil["path_with_namespace"]) == ("anvil", "acme/labs/anvil")
    assert anvil["web_url"] == f"{_BASE}/acme/labs/anvil"
    assert anvil["http_url_to_repo"] == f"{_BASE}/acme/labs/anvil.git"
    assert anvil["ssh_url_to_repo"] == "git@yard.example:acme/labs/anvil.git"
    assert anvil["_links"]["self"] == f"{_BASE}/api/v4/projects/102"
    assert anvil["namespace"] == {
        "id": 11,
        "name": "Labs",
        "path": "labs",
        "kind": "group",
        "full_path": "acme/labs",
        "parent_id": 10,
        "avatar_url": None,
        "web_url": f"{_BASE}/groups/acme/labs",
    }
    assert (anvil["visibility"], anvil["packages_enabled"], anvil["archived"]) == ("private", True, False)


async def test_a_project_without_packages_says_so(client: Client) -> None:
    off = await _json(client, f"{_PROJECTS}/103", "stranger-token")

    assert (off["packages_enabled"], off["package_registry_access_level"]) == (False, "disabled")


async def test_a_project_tells_the_callers_roles(client: Client) -> None:
    def of(level: int) -> dict[str, int]:
        return {"access_level": level, "notification_level": 3}

    expected = {
        ("guest-token", 102): {"project_access": None, "group_access": of(10)},
        ("insider-token", 102): {"project_access": of(20), "group_access": None},
        ("guest-owner-token", 201): {"project_access": of(50), "group_access": of(10)},
        ("owner-token", 100): {"project_access": None, "group_access": of(50)},
        ("root-token", 100): {"project_access": None, "group_access": None},
    }

    shown = {
        (token, number): (await _json(client, f"{_PROJECTS}/{number}", token))["permissions"]
        for token, number in expected
    }

    assert shown == expected


_PUBLIC: Final = {100, 103, 104}
_INTERNAL: Final = _PUBLIC | {101, 300}
_SEEN_PROJECTS: Final = {
    "": _PUBLIC,
    "external-token": _PUBLIC,
    "stranger-token": _INTERNAL,
    "guest-token": _INTERNAL | {102},
    "insider-token": _INTERNAL | {102},
    "guest-owner-token": _INTERNAL | {200, 201},
    "maintainer-token": _INTERNAL | {102, 200, 201},
    "maintainer-reading-token": _INTERNAL | {102, 200, 201},
    "root-token": _INTERNAL | {102, 200, 201},
}


async def test_the_list_and_the_single_project_agree_on_what_a_caller_sees(client: Client) -> None:
    listed = {token: await _ids(client, _PROJECTS, token) for token in _SEEN_PROJECTS}
    shown = {token: await _shown(client, _PROJECTS, _SEEN_PROJECTS["root-token"], token) for token in _SEEN_PROJECTS}

    assert {token: set(ids) for token, ids in listed.items()} == shown == _SEEN_PROJECTS
    assert {token: len(ids) for token, ids in listed.items()} == {token: len(ids) for token, ids in shown.items()}


_ALL_GROUPS: Final = {10, 11, 20, 30}
_OWN_GROUPS: Final[dict[str, set[int]]] = {
    "": {10},
    "external-token": set(),
    "stranger-token": set(),
    "guest-token": {10, 11},
    "insider-token": {10, 11},
    "guest-owner-token": {20},
    "maintainer-token": {10, 11, 20},
    "root-token": _ALL_GROUPS,
}
_SEEN_GROUPS: Final = {
    "": {10},
    "external-token": {10},
    "stranger-token": {10, 30},
    "guest-token": {10, 11, 30},
    "insider-token": {10, 11, 30},
    "guest-owner-token": {10, 20, 30},
    "maintainer-token": _ALL_GROUPS,
    "root-token": _ALL_GROUPS,
}


async def test_groups_are_those_of_a_membership_unless_all_are_asked_for(client: Client) -> None:
    own = {token: await _ids(client, _GROUPS, token) for token in _OWN_GROUPS}
    available = {token: await _ids(client, f"{_GROUPS}?all_available=true", token) for token in _SEEN_GROUPS}
    shown = {token: await _shown(client, _GROUPS, _ALL_GROUPS, token) for token in _SEEN_GROUPS}

    assert {token: set(ids) for token, ids in own.items()} == _OWN_GROUPS
    assert {token: set(ids) for token, ids in available.items()} == shown == _SEEN_GROUPS


async def test_an_administrator_may_ask_for_the_groups_of_a_membership(client: Client) -> None:
    assert await _ids(client, f"{_GROUPS}?all_available=false", "root-token") == []


async def test_what_is_not_there_or_not_seen_is_not_found(client: Client) -> None:
    expected = {
        f"{_PROJECTS}/102": "Project",
        f"{_PROJECTS}/999": "Project",
        f"{_PROJECTS}/abc": "Project",
        f"{_PROJECTS}/99999999999999999999": "Project",
        f"{_GROUPS}/11": "Group",
        f"{_GROUPS}/999": "Group",
        f"{_GROUPS}/acme%2Fnone": "Group",
        f"{_GROUPS}/secret/projects?order_by=bogus": "Group",
        f"{_GROUPS}/secret/subgroups": "Group",
        f"{_GROUPS}/secret/descendant_groups": "Group",
    }

    answers = {path: await _refusal(client, path, "stranger-token") for path in expected}

    assert answers == {path: (404, {"message": f"404 {kind} Not Found"}) for path, kind in expected.items()}


async def test_a_project_is_led_to_from_a_path_that_it_had_before(filled: Context, client: Client) -> None:
    await query(filled, "INSERT INTO project_alias (path, project_id) VALUES ('acme/older', 100)")

    moved = await client.get(f"{_PROJECTS}/acme%2Folder?simple=1", headers=_as("stranger-token"), allow_redirects=False)

    assert moved.status == 301
    assert moved.headers["Location"] == f"{_BASE}{_PROJECTS}/100?simple=1"


async def test_projects_are_filtered(client: Client) -> None:
    expected: dict[str, list[int]] = {
        "search=OPE": [100],
        "search=anvil": [102],
        "search=labs": [],
        "search=labs&search_namespaces=true": [102],
        "search=labs%20anvil&search_namespaces=true": [102],
        "search=%25": [],
        "search=_": [],
        "search=": [300, 201, 200, 104, 103, 102, 101, 100],
        "membership=true": [201, 200, 104, 103, 102, 101, 100],
        "owned=true": [],
        "min_access_level=40": [201, 200, 104, 103, 102, 101, 100],
        "min_access_level=50": [],
        "min_access_level=": [300, 201, 200, 104, 103, 102, 101, 100],
        "visibility=internal": [300, 101],
        "visibility=private": [201, 200, 102],
        "archived=false&visibility=internal": [300, 101],
        "archived=true": [],
        "id_after=102&id_before=201": [200, 104, 103],
        "with_issues_enabled=true&topic=x&id_after=200": [300, 201],
    }

    path = f"{_PROJECTS}?order_by=id&"
    found = {parameters: await _ids(client, path + parameters, "maintainer-token") for parameters in expected}

    assert found == expected


async def test_only_what_is_owned_is_listed_as_owned_even_for_an_administrator(client: Client) -> None:
    assert await _ids(client, f"{_PROJECTS}?owned=true", "guest-owner-token") == [201]
    assert await _ids(client, f"{_PROJECTS}?owned=true", "root-token") == []
    assert await _ids(client, f"{_PROJECTS}?membership=true", "root-token") == []
    assert await _ids(client, f"{_PROJECTS}?membership=true") == []
    assert await _ids(client, f"{_GROUPS}?owned=true", "owner-token") == [10, 11]
    assert await _ids(client, f"{_GROUPS}?owned=true", "root-token") == []


async def test_projects_are_ordered(filled: Context, client: Client) -> None:
    await query(filled, "UPDATE project SET created_at = '2020-01-01' WHERE name = 'Off'")
    expected = {
        "order_by=name&sort=asc": ["Guarded", "Off", "Open"],
        "order_by=path": ["Open", "Off", "Guarded"],
        "order_by=id&sort=asc": ["Open", "Off", "Guarded"],
        "": ["Guarded", "Open", "Off"],
        "sort=asc": ["Off", "Open", "Guarded"],
        "order_by=updated_at": ["Guarded", "Open", "Off"],
        "order_by=last_activity_at": ["Guarded", "Open", "Off"],
    }

    found = {
        parameters: [project["name"] for project in await _json(client, f"{_PROJECTS}?{parameters}")]
        for parameters in expected
    }

    assert found == expected


async def test_groups_are_filtered_and_ordered(client: Client) -> None:
    expected: dict[str, list[int]] = {
        "": [10, 30, 11, 20],
        "sort=desc": [20, 11, 30, 10],
        "order_by=path": [10, 30, 11, 20],
        "order_by=id&sort=desc": [30, 20, 11, 10],
        "search=ACME": [10, 11],
        "search=lab": [11],
        "visibility=private": [11, 20],
        "top_level_only=true": [10, 30, 20],
        "skip_groups=11,20": [10, 30],
        "skip_groups[]=11&skip_groups[]=30": [10, 20],
        "skip_groups=": [10, 30, 11, 20],
        "min_access_level=10": [],
    }

    found = {parameters: await _ids(client, f"{_GROUPS}?{parameters}", "root-token") for parameters in expected}

    assert found == expected


async def test_groups_count_by_the_role_in_them(client: Client) -> None:
    assert await _ids(client, f"{_GROUPS}?min_access_level=40", "maintainer-token") == [10, 11, 20]
    assert await _ids(client, f"{_GROUPS}?min_access_level=20", "guest-token") == []
    assert await _ids(client, f"{_GROUPS}?min_access_level=10", "insider-token") == []


async def test_wrong_parameters_are_named(client: Client) -> None:
    expected = {
        f"{_PROJECTS}?order_by=size": "order_by does not have a valid value",
        f"{_PROJECTS}?sort=up": "sort does not have a valid value",
        f"{_PROJECTS}?visibility=secret": "visibility does not have a valid value",
        f"{_PROJECTS}?min_access_level=31": "min_access_level does not have a valid value",
        f"{_PROJECTS}?min_access_level=guest": "min_access_level is invalid",
        f"{_PROJECTS}?id_after=1.5": "id_after is invalid",
        f"{_PROJECTS}?id_before=99999999999999999999": "id_before is invalid",
        f"{_PROJECTS}?owned=maybe&archived=often": "owned is invalid, archived is invalid",
        f"{_PROJECTS}?search=%00": "search is invalid",
        f"{_PROJECTS}?pagination=keyset&order_by=name": "order_by does not have a valid value",
        f"{_GROUPS}?order_by=created_at": "order_by does not have a valid value",
        f"{_GROUPS}?skip_groups[]=x": "skip_groups is invalid",
        f"{_GROUPS}/acme?with_projects=perhaps": "with_projects is invalid",
        f"{_GROUPS}/acme/projects?include_subgroups=2": "include_subgroups is invalid",
    }

    answers = {path: await _refusal(client, path) for path in expected}

    assert answers == {path: (400, {"error": error}) for path, error in expected.items()}


async def test_pages_of_projects_are_numbered_and_counted(client: Client) -> None:
    answer = await _get(client, f"{_PROJECTS}?order_by=id&sort=asc&per_page=3&page=2", "maintainer-token")

    assert [found["id"] for found in await answer.json()] == [103, 104, 200]
    headers = ("X-Page", "X-Per-Page", "X-Next-Page", "X-Prev-Page", "X-Total", "X-Total-Pages")
    assert [answer.headers[name] for name in headers] == ["2", "3", "3", "1", "8", "3"]
    assert [part.rpartition("; ")[2] for part in answer.headers["Link"].split(", ")] == [
        'rel="prev"',
        'rel="next"',
        'rel="first"',
        'rel="last"',
    ]
    for page in ("9", "9" * 20):
        beyond = await _get(client, f"{_GROUPS}?page={page}", "root-token")
        assert (await beyond.json(), beyond.headers["X-Total"], beyond.headers["X-Next-Page"]) == ([], "4", "")


async def test_links_lead_through_all_pages_with_the_same_filters(client: Client) -> None:
    path = f"{_GROUPS}?per_page=1&skip_groups[]=20&skip_groups[]=30&order_by=id"

    assert await _walk(client, path, "root-token") == [[10], [11]]


@pytest.mark.parametrize(
    ("sort", "walk"),
    [("asc", [[100, 101, 102], [103, 104, 200], [201, 300]]), ("desc", [[300, 201, 200], [104, 103, 102], [101, 100]])],
)
async def test_a_keyset_leads_through_all_projects_by_id_without_counting(
    client: Client, sort: str, walk: list[list[int]]
) -> None:
    path = f"{_PROJECTS}?pagination=keyset&order_by=id&per_page=3&sort={sort}"

    first = await _get(client, path, "maintainer-token")

    assert not [name for name in first.headers if name.startswith("X-Total") or name == "X-Page"]
    assert await _walk(client, path, "maintainer-token") == walk


async def test_a_keyset_keeps_its_filters_and_needs_no_order(client: Client) -> None:
    path = f"{_PROJECTS}?pagination=keyset&per_page=1&visibility=private&page=7"

    assert await _walk(client, path, "maintainer-token") == [[201], [200], [102]]
    assert await _walk(client, f"{_GROUPS}/acme/projects?pagination=keyset&per_page=2") == [[104, 103], [100]]


async def test_a_keyset_that_fits_into_one_part_has_no_link(client: Client) -> None:
    answer = await _get(client, f"{_PROJECTS}?pagination=keyset&per_page=3")

    assert [found["id"] for found in await answer.json()] == [104, 103, 100]
    assert "Link" not in answer.headers


async def test_a_group_is_shown_with_its_own_projects(client: Client) -> None:
    acme = await _json(client, f"{_GROUPS}/acme", "stranger-token")
    labs = await _json(client, f"{_GROUPS}/acme%2Flabs?with_projects=false", "guest-token")
    (listed,) = await _json(client, f"{_GROUPS}?search=labs", "guest-token")

    assert set(acme) == {*_GROUP_KEYS, "shared_with_groups", "projects", "shared_projects"}
    assert [project["id"] for project in acme["projects"]] == [104, 103, 101, 100]
    assert {frozenset(project) for project in acme["projects"]} == {frozenset(_BASIC_KEYS | _FURTHER_KEYS)}
    assert (acme["shared_projects"], acme["parent_id"], acme["full_name"]) == ([], None, "Acme")
    assert set(labs) == _GROUP_KEYS
    assert labs == listed
    assert (labs["name"], labs["full_name"], labs["path"], labs["full_path"]) == (
        "Labs",
        "Acme / Labs",
        "labs",
        "acme/labs",
    )
    assert (labs["web_url"], labs["parent_id"]) == (f"{_BASE}/groups/acme/labs", 10)


async def test_a_groups_projects_are_listed(client: Client) -> None:
    expected: list[tuple[str, str, list[int]]] = [
        ("", "", [104, 103, 100]),
        ("stranger-token", "", [104, 103, 101, 100]),
        ("guest-token", "", [104, 103, 101, 100]),
        ("guest-token", "include_subgroups=true", [104, 103, 102, 101, 100]),
        ("stranger-token", "include_subgroups=true", [104, 103, 101, 100]),
        ("insider-token", "include_subgroups=true&min_access_level=20", [102]),
        ("root-token", "include_subgroups=true&search=anv", [102]),
        ("root-token", "visibility=internal", [101]),
        ("owner-token", "owned=true&sort=asc&order_by=id", [100, 101, 103, 104]),
        ("root-token", "archived=true", []),
    ]

    found = [
        (token, parameters, await _ids(client, f"{_GROUPS}/acme/projects?{parameters}", token))
        for token, parameters, _ in expected
    ]

    assert found == expected


async def test_a_groups_projects_have_no_permissions_and_few_keys_when_simple(client: Client) -> None:
    full = await _json(client, f"{_GROUPS}/10/projects", "owner-token")
    simple = await _json(client, f"{_GROUPS}/10/projects?simple=true", "owner-token")

    assert set(full[0]) == _BASIC_KEYS | _FURTHER_KEYS
    assert set(simple[0]) == _BASIC_KEYS


async def test_groups_below_a_group_are_its_children_or_all_descendants(filled: Context, client: Client) -> None:
    await query(
        filled,
        "INSERT INTO directory_group (id, parent_id, ancestry, path, name, visibility)"
        " VALUES (12, 11, '{10,11,12}', 'acme/labs/deep', 'Deep', 'private'),"
        " (13, 10, '{10,13}', 'acme/shop', 'Shop', 'public')",
    )

    assert await _ids(client, f"{_GROUPS}/acme/subgroups", "guest-token") == [11, 13]
    assert await _ids(client, f"{_GROUPS}/acme/descendant_groups", "guest-token") == [12, 11, 13]
    assert await _ids(client, f"{_GROUPS}/acme/descendant_groups?top_level_only=true", "guest-token") == []
    assert await _ids(client, f"{_GROUPS}/acme/subgroups", "insider-token") == [11]
    assert await _ids(client, f"{_GROUPS}/acme/subgroups") == [13]
    assert await _ids(client, f"{_GROUPS}/acme/subgroups?all_available=true", "external-token") == [13]
    assert await _ids(client, f"{_GROUPS}/acme/subgroups?owned=true", "owner-token") == [11, 13]
    deep = await _json(client, f"{_GROUPS}/12", "guest-token")
    assert deep["full_name"] == "Acme / Labs / Deep"


async def test_a_list_longer_than_is_counted_has_no_totals(filled: Context, client: Client) -> None:
    await query(
        filled,
        "INSERT INTO project (group_id, path, name, visibility)"
        " SELECT 10, 'acme/p' || n, 'P' || n, 'public' FROM generate_series(1, 9998) n",
    )

    answer = await _get(client, f"{_PROJECTS}?simple=true")

    assert (answer.headers["X-Next-Page"], "X-Total" in answer.headers) == ("2", False)
    assert 'rel="last"' not in answer.headers["Link"]


async def test_a_head_request_gets_the_headers_alone(client: Client) -> None:
    answer = await client.head(_PROJECTS)

    assert (answer.status, answer.headers["X-Total"], await answer.read()) == (200, "3", b"")


async def _shown(client: Client, kind: str, numbers: Iterable[int], token: str) -> set[int]:
    return {number for number in numbers if (await _get(client, f"{kind}/{number}", token)).status == 200}


async def _walk(client: Client, path: str, token: str = "") -> list[list[int]]:
    """Follow the links to the next part to the end; return the ids of each part."""
    parts: list[list[int]] = []
    address: str | None = path
    while address is not None:
        answer = await _get(client, address, token)
        parts.append([found["id"] for found in await answer.json()])
        links = _NEXT.findall(answer.headers.get("Link", ""))
        address = links[0].removeprefix(_BASE) if links else None
    return parts
