"""GitLab's values for features that are off or empty, and for settings that nobody changed."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

USER: Final[Mapping[str, object]] = MappingProxyType(
    {
        "locked": False,
        "avatar_url": None,
        "bio": "",
        "location": None,
        "public_email": None,
        "skype": "",
        "linkedin": "",
        "twitter": "",
        "website_url": "",
        "organization": None,
        "job_title": "",
        "pronouns": None,
        "bot": False,
        "work_information": None,
        "followers": 0,
        "following": 0,
        "last_sign_in_at": None,
        "last_activity_on": None,
        "theme_id": 1,
        "color_scheme_id": 1,
        "projects_limit": 0,
        "current_sign_in_at": None,
        "identities": [],
        "can_create_group": False,
        "can_create_project": False,
        "two_factor_enabled": False,
        "private_profile": False,
    }
)
BASIC_PROJECT: Final[Mapping[str, object]] = MappingProxyType(
    {
        "description": None,
        "default_branch": "main",
        "tag_list": [],
        "topics": [],
        "readme_url": None,
        "avatar_url": None,
        "forks_count": 0,
        "star_count": 0,
    }
)
OFF: Final = "disabled"
PROJECT: Final[Mapping[str, object]] = MappingProxyType(
    {
        "empty_repo": True,
        "archived": False,
        "resolve_outdated_diff_discussions": False,
        "issues_enabled": False,
        "merge_requests_enabled": False,
        "wiki_enabled": False,
        "jobs_enabled": False,
        "snippets_enabled": False,
        "container_registry_enabled": False,
        "service_desk_enabled": False,
        "service_desk_address": None,
        "can_create_merge_request_in": False,
        "issues_access_level": OFF,
        # Off, it would take the packages with it.
        "repository_access_level": "enabled",
        "merge_requests_access_level": OFF,
        "forking_access_level": OFF,
        "wiki_access_level": OFF,
        "builds_access_level": OFF,
        "snippets_access_level": OFF,
        "pages_access_level": OFF,
        "operations_access_level": OFF,
        "analytics_access_level": OFF,
        "container_registry_access_level": OFF,
        "security_and_compliance_access_level": OFF,
        "emails_disabled": None,
        "shared_runners_enabled": False,
        "lfs_enabled": False,
        "creator_id": None,
        "import_status": "none",
        "open_issues_count": 0,
        "ci_default_git_depth": 20,
        "ci_forward_deployment_enabled": True,
        "ci_job_token_scope_enabled": True,
        "public_jobs": True,
        "build_timeout": 3_600,
        "auto_cancel_pending_pipelines": "enabled",
        "build_coverage_regex": None,
        "ci_config_path": None,
        "shared_with_groups": [],
        "only_allow_merge_if_pipeline_succeeds": False,
        "allow_merge_on_skipped_pipeline": None,
        "restrict_user_defined_variables": False,
        "request_access_enabled": False,
        "only_allow_merge_if_all_discussions_are_resolved": False,
        "remove_source_branch_after_merge": True,
        "printing_merge_request_link_enabled": True,
        "merge_method": "merge",
        "squash_option": "default_off",
        "auto_devops_enabled": False,
        "auto_devops_deploy_strategy": "continuous",
        "autoclose_referenced_issues": True,
        "keep_latest_artifact": True,
    }
)
GROUP: Final[Mapping[str, object]] = MappingProxyType(
    {
        "description": "",
        "share_with_group_lock": False,
        "require_two_factor_authentication": False,
        "two_factor_grace_period": 48,
        "project_creation_level": "noone",
        "auto_devops_enabled": None,
        "subgroup_creation_level": "owner",
        "emails_disabled": None,
        "mentions_disabled": None,
        "lfs_enabled": False,
        "default_branch_protection": 2,
        "avatar_url": None,
        "request_access_enabled": False,
    }
)
