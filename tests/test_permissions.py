"""Who may do what, when: every state × event × person of every life against another reading of domain.md §4 and §5.

What is not written here is refused, and a refusal writes nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from models import (
    ActionItem,
    AnonymousToken,
    Claim,
    Commitment,
    Enrollment,
    Meeting,
    Order,
    Person,
    Post,
    PostClaim,
    Problem,
    Task,
    keyring,
)
from models.community import Chat
from models.lifecycle import LIVES, NEW, SAME
from models.types import new_id
from services import moves
from services.context import SCHEDULER, Actor, Context, Grant, Refusal
from services.workdays import ZONE

# event | states | target ("=": it stays) | who. A staff word means every higher rank too: a coordinator (and clerk) may
# what a grid leader may, a secretary what a coordinator may; "leader" is the leader of this grid only.
RULES = {
    "problem": """
        submit       | -                                              | SUBMITTED   | reporter leader
        accept       | SUBMITTED                                      | ACCEPTED    | leader
        contact      | SUBMITTED ACCEPTED IN_PROGRESS RESOLVED SUSPENDED | =        | leader
        reject       | SUBMITTED                                      | REJECTED    | coordinator
        appeal       | REJECTED                                       | SUBMITTED   | reporter
        merge        | SUBMITTED ACCEPTED                             | MERGED      | leader
        withdraw     | SUBMITTED ACCEPTED                             | WITHDRAWN   | reporter
        false_alarm  | SUBMITTED ACCEPTED                             | WITHDRAWN   | reporter
        detach       | SUBMITTED ACCEPTED IN_PROGRESS                 | =           | reporter
        assign       | ACCEPTED                                       | IN_PROGRESS | leader
        assign       | IN_PROGRESS                                    | =           | leader
        escalate     | ACCEPTED IN_PROGRESS                           | =           | leader scheduler
        escalate     | SUBMITTED                                      | =           | scheduler
        return       | SUBMITTED ACCEPTED IN_PROGRESS                 | =           | coordinator
        extend       | IN_PROGRESS                                    | =           | secretary
        suspend      | SUBMITTED ACCEPTED IN_PROGRESS                 | SUSPENDED   | secretary
        resume       | SUSPENDED                                      | IN_PROGRESS | coordinator scheduler
        resolve      | SUBMITTED ACCEPTED IN_PROGRESS                 | RESOLVED    | leader
        answer       | RESOLVED                                       | =           | reporter
        close        | RESOLVED                                       | CLOSED      | reporter
        reopen       | RESOLVED                                       | IN_PROGRESS | reporter
        explain      | IN_PROGRESS                                    | CLOSED      | secretary
        expire       | RESOLVED                                       | CLOSED      | scheduler
    """,
    "order": """
        submit       | -                                              | SUBMITTED   | resident
        approve      | SUBMITTED                                      | DISPATCHED  | coordinator
        reject       | SUBMITTED                                      | REJECTED    | coordinator
        withdraw     | SUBMITTED                                      | WITHDRAWN   | resident
        finish       | DISPATCHED                                     | DONE        | scheduler
        reoffer      | DISPATCHED                                     | SUBMITTED   | scheduler
    """,
    "task": """
        publish      | -                                              | OPEN        | leader
        fill         | OPEN UNFILLED                                  | CLAIMED     | scheduler
        free         | CLAIMED                                        | OPEN        | scheduler
        widen        | OPEN                                           | =           | scheduler
        unfilled     | OPEN                                           | UNFILLED    | scheduler
        verified     | OPEN CLAIMED UNFILLED                          | VERIFIED    | scheduler
        rate         | VERIFIED                                       | =           | resident leader
        rated        | VERIFIED                                       | RATED       | scheduler
        close        | RATED                                          | CLOSED      | scheduler
        cancel       | OPEN CLAIMED UNFILLED                          | CANCELLED   | creator coordinator
        lapse        | OPEN UNFILLED                                  | CANCELLED   | scheduler
    """,
    "claim": """
        claim        | -                                              | ACTIVE         | member leader team_leader
        queue        | -                                              | WAITLISTED     | member leader
        offer        | WAITLISTED                                     | OFFERED        | scheduler
        accept       | OFFERED                                        | ACTIVE         | claimer
        expire       | OFFERED                                        | EXPIRED        | scheduler
        decline      | OFFERED WAITLISTED                             | WITHDRAWN      | claimer
        withdraw     | ACTIVE                                         | WITHDRAWN      | claimer
        late         | ACTIVE                                         | LATE_WITHDRAWN | claimer
        check_in     | ACTIVE                                         | CHECKED_IN     | claimer task_leader leader
        check_out    | CHECKED_IN                                     | DONE           | claimer task_leader leader scheduler
        no_show      | ACTIVE                                         | NO_SHOW        | scheduler
        excuse       | NO_SHOW                                        | EXCUSED        | task_leader leader
        came         | NO_SHOW                                        | DONE           | task_leader leader
        verify       | DONE                                           | VERIFIED       | task_leader leader scheduler
        cancel       | ACTIVE WAITLISTED OFFERED CHECKED_IN           | CANCELLED      | scheduler
    """,
    "post_claim": """
        apply        | -                                              | APPLIED   | active
        confirm      | APPLIED                                        | CONFIRMED | leader
        decline      | APPLIED                                        | ENDED     | leader scheduler
        take_back    | APPLIED                                        | ENDED     | claimer
        end          | CONFIRMED                                      | ENDED     | claimer coordinator scheduler
    """,
    "enrollment": """
        invite       | -                                              | INVITED     | coordinator
        apply        | - INVITED                                      | APPLIED     | applicant coordinator
        confirm      | INVITED APPLIED                                | ACTIVE      | leader
        decline      | APPLIED                                        | DECLINED    | leader
        cancel       | INVITED APPLIED                                | CANCELLED   | applicant coordinator
        transfer     | ACTIVE                                         | TRANSFERRED | applicant coordinator
        withdraw     | ACTIVE                                         | WITHDRAWN   | applicant coordinator
        return       | WITHDRAWN                                      | ACTIVE      | coordinator
    """,
    "meeting": """
        placeholder  | -                                              | PLACEHOLDER | scheduler
        schedule     | - PLACEHOLDER                                  | SCHEDULED   | coordinator street
        topics       | SCHEDULED                                      | TOPICS      | scheduler
        agenda       | SCHEDULED TOPICS                               | AGENDA      | coordinator scheduler
        notice       | SCHEDULED TOPICS AGENDA                        | NOTICED     | coordinator scheduler
        announce     | PLACEHOLDER                                    | NOTICED     | scheduler
        reschedule   | SCHEDULED TOPICS AGENDA                        | SCHEDULED   | coordinator
        postpone     | NOTICED                                        | SCHEDULED   | secretary
        put_off      | SCHEDULED TOPICS AGENDA NOTICED                | PLACEHOLDER | secretary
        open         | SCHEDULED TOPICS AGENDA NOTICED                | IN_SESSION  | coordinator
        end          | IN_SESSION                                     | HELD        | coordinator
        confirm      | HELD                                           | MINUTED     | secretary
        close        | MINUTED                                        | CLOSED      | coordinator scheduler
        collect      | PLACEHOLDER NOTICED                            | CLOSED      | scheduler
        miss         | PLACEHOLDER SCHEDULED TOPICS AGENDA NOTICED    | MISSED      | scheduler
        cancel       | SCHEDULED TOPICS AGENDA NOTICED                | CANCELLED   | secretary
    """,
    "action_item": """
        decide       | -                                              | OPEN        | coordinator
        done         | OPEN                                           | DONE        | claimer coordinator
        reopen       | DONE                                           | OPEN        | coordinator
        extend       | OPEN                                           | =           | secretary
        transfer     | OPEN                                           | TRANSFERRED | coordinator
        cancel       | OPEN                                           | CANCELLED   | secretary
    """,
    "commitment": """
        write        | -                                              | DRAFT         | claimer coordinator
        rewrite      | DRAFT                                          | =             | claimer coordinator
        rewrite      | WITHDRAWN                                      | DRAFT         | claimer coordinator
        submit       | DRAFT                                          | SUBMITTED     | claimer coordinator
        return       | SUBMITTED                                      | DRAFT         | reviewer
        publish      | SUBMITTED                                      | PUBLISHED     | reviewer
        withdraw     | DRAFT SUBMITTED                                | WITHDRAWN     | claimer
        progress     | PUBLISHED IN_PROGRESS                          | IN_PROGRESS   | claimer
        open_review  | PUBLISHED IN_PROGRESS                          | REVIEW_OPEN   | scheduler
        self_report  | REVIEW_OPEN SELF_REPORTED                      | SELF_REPORTED | claimer
        no_report    | REVIEW_OPEN                                    | NOT_REPORTED  | scheduler
        open_votes   | SELF_REPORTED                                  | IN_EVALUATION | scheduler
        evaluate     | IN_EVALUATION                                  | EVALUATED     | reviewer
        object       | EVALUATED ARCHIVED                             | OBJECTED      | claimer
        decide       | OBJECTED                                       | EVALUATED     | reviewer
        archive      | EVALUATED                                      | ARCHIVED      | coordinator scheduler reviewer
    """,
}

# person: (roles with grid, ACTIVE member, the words of RULES that are true of them)
PEOPLE: dict[str, tuple[tuple[Grant, ...], bool, set[str]]] = {
    "neighbour": ((), False, set()),
    "rider": ((Grant("rider_reporter"),), False, {"member"}),
    "reporter": ((), False, {"reporter", "resident"}),
    "member": ((), True, {"member", "active"}),
    "claimer": ((), True, {"member", "active", "claimer", "applicant"}),
    "task leader": ((), True, {"member", "active", "task_leader", "creator"}),
    "team leader": ((), True, {"member", "active", "team_leader"}),
    "liaison": ((Grant("unit_liaison", unit="U08"),), False, {"member"}),
    "leader here": ((Grant("grid_leader", grid="G1"),), False, {"leader", "member"}),
    "leader elsewhere": ((Grant("grid_leader", grid="G2"),), False, {"member"}),
    "coordinator": ((Grant("coordinator"),), False, {"leader", "coordinator", "member"}),
    "clerk": ((Grant("community_clerk"),), False, {"leader", "coordinator", "member"}),
    "secretary": ((Grant("community_secretary"),), False, {"leader", "coordinator", "secretary", "member", "reviewer"}),
    "branch secretary": ((Grant("branch_secretary", grid="G1"),), False, {"member", "reviewer"}),
    "secretary of another branch": ((Grant("branch_secretary", grid="G2"),), False, {"member"}),
    "street": ((Grant("street_organizer"),), False, {"street"}),
    "administrator": ((Grant("admin"),), False, {"member"}),
    "scheduler": (SCHEDULER.grants, False, {"scheduler"}),
}

PERSONS = {name: None if name == "scheduler" else Person(id=new_id(), community_id="c", code=name) for name in PEOPLE}
Expected = dict[tuple[str, str], tuple[str, set[str]]]


def read(kind: str) -> Expected:
    """(event, state): (target, who) of RULES."""
    found: Expected = {}
    for line in RULES[kind].strip().splitlines():
        event, states, target, who = (part.strip() for part in line.split("|"))
        for state in states.split():
            assert (event, state) not in found, f"{kind}: {event} in {state} is written twice"
            found[event, state] = (state if target == "=" else target, set(who.split()))
    return found


class Store:
    """Gives the few rows that relations look up; writing fails the test."""

    def __init__(self, *rows: Any) -> None:
        self.rows = {(type(row), row.id): row for row in rows}

    async def get(self, model: Any, key: Any) -> Any:
        return self.rows.get((model, key))

    async def scalar(self, query: Any) -> Any:
        """The questions that are no look-up by id: the claimer's grid, and whether this person leads a team of the claimer."""
        if "enrollment" in str(query):
            return "G1"
        return "a team" if PERSONS["team leader"].id in query.compile().params.values() else None

    async def flush(self) -> None:
        raise AssertionError("a refused move wrote to the database")

    def add(self, row: Any) -> None:
        raise AssertionError("a refused move wrote to the database")


def somebody(name: str) -> Actor:
    grants, member, _ = PEOPLE[name]
    return Actor(PERSONS[name], grants, "ACTIVE" if member else None)


def things() -> dict[str, Any]:
    now = datetime(2026, 11, 23, 9, 0, tzinfo=ZONE)
    ids = {name: one.id for name, one in PERSONS.items() if one is not None}
    problem = Problem(
        id=new_id(),
        community_id="c",
        code="WT-20261123-0001",
        category="E01",
        grid_code="G1",
        reporter_id=ids["reporter"],
        submitted_at=now,
        contact_due=now,
        resolve_due=now,
        original_resolve_due=now,
    )
    order = Order(
        id=new_id(),
        community_id="c",
        code="DD-20261123-0001",
        resident_id=ids["reporter"],
        grid_code="G1",
        submitted_at=now,
    )
    task = Task(
        id=new_id(),
        community_id="c",
        code="RW-20261123-0001",
        short_no=31,
        source="order",
        source_id=order.id,
        title="t",
        grid_code="G1",
        start_at=now,
        end_at=now,
        created_at=now,
        leader_id=ids["task leader"],
        creator_id=ids["task leader"],
    )
    claim = Claim(id=new_id(), task_id=task.id, person_id=ids["claimer"], claimed_at=now)
    post = Post(
        id=new_id(),
        community_id="c",
        number=1,
        name="n",
        grid_code="G1",
        term_from=now.date(),
        term_to=now.date(),
        created_at=now,
    )
    post_claim = PostClaim(id=new_id(), post_id=post.id, person_id=ids["claimer"], applied_at=now)
    enrollment = Enrollment(id=new_id(), community_id="c", person_id=ids["claimer"], grid_code="G1", applied_at=now)
    meeting = Meeting(id=new_id(), community_id="c", created_at=now)
    return {
        "meeting": meeting,
        "action_item": ActionItem(id=new_id(), meeting_id=meeting.id, code="a", number=1, text="t", owner_id=ids["claimer"], due=now),
        "commitment": Commitment(id=new_id(), community_id="c", owner=ids["claimer"], year=2026),
        "enrollment": enrollment,
        "problem": problem,
        "order": order,
        "task": task,
        "claim": claim,
        "post": post,
        "post_claim": post_claim,
    }


def context_of(actor: Actor, rows: dict[str, Any], *more: Any, chat: Chat | None = None) -> Context:
    now = rows["problem"].submitted_at
    return Context(Store(*rows.values(), *more), now, actor, None, "t", chat=chat)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", LIVES)
async def test_the_whole_product_of_state_event_and_person(kind):
    life, expected = LIVES[kind], read(kind)
    events = {event for event, _ in expected}
    assert events == set(life.events()), "an event stands in one of the two readings only"
    checked = 0
    for name in PEOPLE:
        actor, true_of = somebody(name), PEOPLE[name][2]
        for state in (NEW, *life.states):
            rows = things()
            thing = rows[kind]
            thing.state = state
            context = context_of(actor, rows)
            for event in events:
                target, who = expected.get((event, state), ("", set()))
                may = bool(who & true_of)
                assert await moves.allowed(context, thing, event) is may, f"{name}: {event} a {kind} that is {state}"
                if may:
                    row = life.find(event, state)
                    assert row is not None
                    assert row.ends_in(state) == target, f"{event} a {kind} that is {state}"
                elif state != NEW:
                    with pytest.raises(Refusal):
                        await moves.move(context, thing, event)
                    assert thing.state == state
                checked += 1
    assert checked == len(PEOPLE) * (len(life.states) + 1) * len(events)


async def test_an_anonymous_reporter_is_known_by_the_sealed_chat_alone():
    rows = things()
    chat = Chat(id=new_id(), platform="memory", bot="main", key_hash="h", address="private:1")
    other = Chat(id=new_id(), platform="memory", bot="main", key_hash="h2", address="private:2")
    crowd = Chat(id=new_id(), platform="memory", bot="main", key_hash="h3", address="private:1", kind="group")
    keyring.use({"t": b"0" * 32}, b"0" * 32)
    token = AnonymousToken(id=new_id(), salt="s", chat_hash=keyring.hash("s", chat.platform, chat.address))
    problem = rows["problem"]
    problem.reporter_id, problem.token_id, problem.anonymous, problem.state = None, token.id, True, "RESOLVED"
    for where, may in ((chat, True), (other, False), (crowd, False), (None, False)):
        for name in ("reporter", "neighbour", "coordinator"):
            context = context_of(somebody(name), rows, token, chat=where)
            assert await moves.allowed(context, problem, "answer") is may


def test_the_states_of_every_life_are_all_reached_and_the_last_ones_end():
    for kind, life in LIVES.items():
        expected = read(kind)
        assert {target for target, _ in expected.values()} | {NEW} >= set(life.states), kind
        assert set(life.open) <= set(life.states)
        for move in life.moves:
            assert move.target == SAME or move.target in life.states
