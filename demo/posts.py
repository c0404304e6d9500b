"""The demo community's posts with who took them on, and its team, as they stood at a moment (posts.json)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from demo.history import moment
from demo.people import PARTY, Cast, read
from demo.standing import deliver
from models import Counter, Post, PostClaim, StateLog, Team, TeamMember
from services import posts
from services.alarms import set_alarm
from services.context import Context
from texts.posts_screens import post_card


def add(cast: Cast) -> list[StateLog]:
    """Put the posts and teams of by now into the cast; the history of the claims."""
    data, logs = read("posts"), list[StateLog]()
    made = [entry for entry in data["posts"] if moment(entry["at"]) <= cast.now]
    for entry in made:
        logs += _post(cast, entry)
    if made:
        cast.rows.append(Counter(name=f"{cast.community.id}:post", value=max(entry["number"] for entry in made)))
    for entry in data["teams"]:
        if moment(entry["at"]) <= cast.now:
            team = Team(community_id=cast.community.id, name=entry["name"], kind=entry["kind"], leader_id=cast.people[entry["leader"]].id)
            cast.rows.append(team)
            joined = [
                TeamMember(team_id=team.id, person_id=cast.people[code].id, joined_at=moment(entry["at"])) for code in entry["members"]
            ]
            cast.rows += joined
    return logs


def _post(cast: Cast, entry: Mapping[str, Any]) -> list[StateLog]:
    post = Post(
        community_id=cast.community.id, number=entry["number"], name=entry["name"], post_class=entry["class"], duties=entry["duties"],
        grid_code=entry["grid"], place_name=entry["place"], capacity=entry["capacity"], term_from=date.fromisoformat(entry["from"]),
        term_to=date.fromisoformat(entry["until"]) + timedelta(days=1), creator_id=cast.people[entry["creator"]].id,
        created_at=moment(entry["at"]),
    )  # fmt: skip
    cast.rows.append(post)
    logs: list[StateLog] = []
    for made in entry["claims"]:
        applied, confirmed = moment(made["applied"]), moment(made["confirmed"])
        if applied > cast.now:
            continue
        person, leader = cast.people[made["member"]].id, cast.people[entry["creator"]].id
        claim = PostClaim(post_id=post.id, person_id=person, applied_at=applied)
        cast.rows.append(claim)
        logs.append(_log(cast, claim, "apply", "-", "APPLIED", person, applied))
        if confirmed <= cast.now:
            claim.state, claim.confirmed_by, claim.confirmed_at, claim.version = "CONFIRMED", leader, confirmed, 2
            logs.append(_log(cast, claim, "confirm", "APPLIED", "CONFIRMED", leader, confirmed))
    return logs


def _log(cast: Cast, claim: PostClaim, event: str, source: str, target: str, person: str, at: datetime) -> StateLog:
    return StateLog(
        object_kind="post_claim", object_id=claim.id, event=event, source=source, target=target, actor_id=person,
        actor_role=cast.first_roles[person], at=at,
    )  # fmt: skip


async def stand(context: Context, cast: Cast) -> None:
    """Each post's one card in the party group, delivered when it was set up, and the alarm of its term."""
    for post in await context.session.scalars(sa.select(Post).order_by(col(Post.number))):
        shown = post_card(await posts.view(context, post))
        await deliver(context, cast.chats[PARTY], shown, posts.card_of(post), post.created_at)
        await set_alarm(context, "end_post_term", post.id, posts.end_of(post))
