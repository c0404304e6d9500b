"""Every button there is, pressed by everybody, through the machine, with real ids and with forged data (domain.md §0.6, §4, §5, §10).

The table below is another reading of domain.md, not of the code. Who adds a button says here who may press it, or the first test fails.
"""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from forged_tables import LOOKS, faults, group_faults, language_of, table
from forging import MACHINE, PEOPLE, Forge

from texts.actions import ACTIONS

BUTTONS = table("""
    # action, its arguments (names of tests/forging.py; =x is x itself) | people: the screen, * changes something, ! reads others' data;
    # - refused like everybody whom a line does not name, but the nearest to it
    # §10 report: anybody; a draft is its writer's alone (§0.5, §3)
    report                               | all: report.ask_what
    submit d_report                      | reporter: report.receipt*
    anonymous d_report                   | reporter: report.receipt_anonymous*
    submit d_report_spent                | reporter: report.already          # it became a problem; its id opens nobody else's
    anonymous d_report_spent             | reporter: report.already
    discard d_report                     | reporter: report.discarded
    change_category d_report             | reporter: report.choose_category
    more_categories d_report =-          | reporter: report.choose_group
    pick_category d_report =E01          | reporter: report.same
    change_place d_report                | reporter: report.ask_where
    pick_place d_report place            | reporter: report.confirm
    add_photo d_report                   | reporter: report.ask_photo
    same d_report p_far                  | reporter: report.supported*
    same d_report p_work                 | reporter: -  # not the one that was shown
    same d_report p_next_door            | reporter: -
    different d_report                   | reporter: report.confirm
    resume_draft d_report                | reporter: report.confirm
    # §4: rate own, withdraw own; §5 Problem
    false_alarm p_urgent                 | reporter: false_alarm.done*
    withdraw p_new                       | reporter: withdraw.done*
    appeal p_refused                     | reporter: appeal.ask
    rate p_done =good                    | reporter: problem.echo_solved*
    rate p_sealed =good                  | sealed: problem.echo_solved*
    solved p_done =no                    | reporter: rating.reopened*
    # §4: see reporter contact; nobody sees an anonymous reporter
    show p_new                           | reporter: progress.sheet | leads: ticket.card! | all: progress.public
    show p_sealed                        | leads: ticket.card! | all: progress.public
    show p_care                          | reporter: progress.sheet | leads: ticket.card! | all: progress.public
    show p_far                           | supporter: progress.sheet | other office: ticket.card! | all: progress.public
    talk p_work                          | reporter supporter leads: relay.ask
    talk p_sealed                        | sealed: relay.reply_instead | leads: relay.ask
    # §4: accept/resolve at grid, escalate, dispatch task; §5: reject and return by the coordinator
    accept p_new                         | leads: done.accept*
    contacted p_taken                    | leads: done.contacted*
    resolve p_taken                      | leads: ask.resolve
    escalate p_taken                     | leads: ask.escalate
    dispatch p_taken                     | leads: dispatch.missing
    accept p_far                         | other: -  # it is accepted already, and in another grid
    resolve p_far                        | other office: ask.resolve
    escalate p_far                       | other office: ask.escalate
    dispatch p_far                       | other office: dispatch.missing
    reject p_new =invalid                | office: done.reject*
    reject_reasons p_new                 | office: reject.choose
    return_to_grid p_up                  | office: ask.return
    undo log                             | leader: undo.done*
    undo log_ended                       | ended_leader: -  # the role has ended since
    # §5 Order, Task: a coordinator approves; §4 claim, verify
    order                                | all: order.ask_what
    submit_order d_order                 | reporter: order.receipt*
    discard_order d_order                | reporter: order.discarded
    dispatch_order o_new                 | office: dispatch.missing
    reject_order o_new                   | office: order.reject_why
    withdraw_order o_new                 | reporter: order.withdrawn*
    claim t_open                         | claimants: claim.receipt!*
    claim t_free                         | claimants reporter neighbour foreigner supporter sealed stranger applicant gone helper duty ended ended_leader coming: claim.receipt!*
    withdraw_claim t_held                | claimer: claim.left*
    confirm_withdraw t_soon =sick        | claimer: claim.left_excused*
    accept_offer c_offer                 | claimer: claim.receipt!*
    decline_offer c_offer                | claimer: claim.left*
    check_in t_soon                      | claimer: check_in.ask
    check_out t_there                    | claimer: check_out.done*
    approve_check_in check_in =yes       | taskleads: check_in.decided_yes*
    approve_check_in check_in =no        | taskleads: check_in.decided_no*
    verify c_over                        | taskleads: verify.done!*
    explain_absence t_missed             | claimer: claim.explain_why
    excuse c_missed =yes                 | taskleads: claim.excuse_done!*
    excuse c_missed =no                  | taskleads: claim.excuse_refused!*
    rate_task t_rated =good              | reporter: rating.resident_thanks*
    rate_organisation t_rated =5         | leads: rating.organisation_done*
    cancel_task t_open                   | head office: task.cancel_why
    show_task t_held                     | claimer head office: task.sheet! | all: task.sheet
    # §3 Post, Team: ACTIVE members; the grid's leader confirms
    posts                                | active: post.list | all: post.list_members
    my_posts                             | claimer: post.mine | all: post.mine_none
    claim_post post_free                 | active: post.applied*
    confirm_post pc_asked                | leads: post.confirm_done!*
    decline_post pc_asked                | leads: post.decline_why
    leave_post pc_held                   | claimer: post.sure
    confirm_leave_post pc_held           | claimer: post.left_end*
    teams                                | active leaders admin: team.list! | all: team.list
    join_team team                       | member head: team.joined!*
    refuse_team team                     | all: team.refused
    leave_team team                      | claimer captain: team.left*
    team_claim_ask t_open team           | captain: team.claim_ask!
    team_claim t_open team =1            | captain: team.claim_done!*
    stop_offers                          | active applicant gone: offers.stopped*
    resume_offers                        | active applicant gone: offers.resumed
    # §4 exports: a liaison the own unit's; a member the own card
    record_card =U01 =2026Q4             | office liaison: record.cards
    record_card =U02 =2026Q4             | office liaison2: record.cards
    my_record_card                       | active gone: record.mine
    # §4 Role binding, texts/administration.toml; the card is its writer's, and the right is asked again when it is pressed
    role_pick d_role member              | coordinator: role.confirm_grant!
    role_confirm d_role                  | coordinator: role.granted!*
    role_confirm d_role_ended            | ended: -
    role_confirm d_role_admin            | admin: role.granted!*
    role_undo audit                      | coordinator: role.undone!*
    role_undo audit_ended                | ended: -
    hand_over leader                     | office: handover.ask_to
    hand_over_pick d_handover =giver leader | coordinator: handover.confirm
    hand_over_roles d_handover           | coordinator: handover.confirm
    hand_over_confirm d_handover         | coordinator: handover.done*
    hand_over_confirm d_handover_ended   | ended: -
    hand_over_confirm d_handover_admin   | admin: -
    roster_confirm d_roster              | coordinator: duty.written*
    roster_confirm d_roster_ended        | ended: -
    roster_confirm d_roster_admin        | admin: -
    swap_answer d_swap =yes              | clerk: duty.swapped*
    swap_answer d_swap =no               | clerk: duty.swap_declined*
    announcement_set d_announcement =days =7        | coordinator: announcement.preview
    announcement_publish d_announcement =hang       | coordinator: announcement.done*
    announcement_publish d_announcement_ended =hang | ended: -
    announcement_publish d_announcement_admin =hang | admin: -
    announcement_withdraw a_all          | office: announcement.withdrawn*
    announcement_withdraw a_grid         | leads: announcement.withdrawn*
    drop_card d_role                     | all: cancelled
    # §10 privacy: one's own data, nobody else's
    delete_data =yes                     | reporter claimer head leaders branch helper admin street duty liaison liaison2: privacy.waits* | all: privacy.deleted*
    withdraw_consent =yes                | neighbour foreigner supporter sealed stranger rider volunteer member captain applicant gone ended ended_leader coming: privacy.consent_withdrawn*
    # §5 Enrollment: the own form; the grid's leader confirms a member, a coordinator a unit
    enrol                                | neighbour: enrolment.confirm_apply | reporter foreigner supporter sealed stranger rider volunteer leaders branch helper admin street duty liaison liaison2 ended ended_leader coming: enrolment.consent
    enrol_agree d_enrolment_new =yes     | neighbour: enrolment.ask_kind*
    enrol_pick d_enrolment =kind =retired | neighbour: enrolment.confirm_apply
    enrol_change d_enrolment =home       | neighbour: enrolment.ask_home
    enrol_submit d_enrolment             | neighbour: enrolment.receipt*
    enrol_discard d_enrolment            | neighbour: report.discarded
    enrolment_answer enrolment_applicant =yes | leads: enrolment.confirm_done!*
    enrolment_answer enrolment_applicant =no  | leads: enrolment.decline_why
    enrolment_answer enrolment_unit =yes | office: unit.confirm_done!*
    enrolment_show enrolment_applicant   | leads: enrolment.to_confirm!
    enrolment_show enrolment_unit        | office: unit.to_confirm!
    enrolment_edit =skills               | active applicant: enrolment.ask_skills
    enrolment_edit =name                 | applicant: enrolment.ask_name | active: enrolment.field_settled
    enrolment_switch =offers             | active applicant: enrolment.record*
    enrolment_leave =withdraw            | member captain head: enrolment.ask_withdraw
    enrolment_leave =cancel              | applicant: enrolment.cancelled*
    enrolment_leave =away_sure           | member captain head: enrolment.away*
    my_enrolment                         | active applicant gone: enrolment.record | all: enrolment.none
    my_hours                             | all: hours.mine
    unit_pick d_unit_enrolment =kind =0  | neighbour: unit.confirm
    unit_pick d_unit_enrolment =name =U01 | neighbour: -  # it speaks through its own liaison
    unit_change d_unit_enrolment =address | neighbour: unit.ask_address
    unit_submit d_unit_enrolment         | neighbour: unit.receipt*
    unit_discard d_unit_enrolment        | neighbour: report.discarded
    # setting a community up: the office and the administrator
    import_file d_import                 | coordinator: setup.imported*
    import_file d_import_admin           | admin: setup.imported*
    import_file d_import_ended           | ended: -
    drop_file d_import                   | coordinator: setup.dropped
    holidays_confirm d_holidays          | coordinator: holidays.entered*
    holidays_confirm d_holidays_ended    | ended: -
    holidays_drop d_holidays             | coordinator: cancelled
    invite member                        | leads admin: invite.made!*
    invite secretary                     | secretary admin: invite.made!*
    # §4 exports and §6: numbers to office, grid leader (own grid) and, without a case, the street; ledgers not to the street
    digest                               | leaders street: digest
    digest_cases =0                      | leaders: digest.cases | street: digest.no_cases
    figures =2026Q4 =-                   | leaders street: figures
    figures =2026Q4 =G2                  | other office street: figures
    export =problems =2026Q4             | leaders: export.done
    export_unmasked =problems =2026Q4    | office: export.ask_reason | leader: -
    # §5 Meeting: coordinator (and the street that convened it), the invited alone answer, clerk opens and ends, secretary confirms
    meeting_date d_meeting =2026-12-04          | coordinator: meeting.scheduled*
    meeting_date d_meeting =2026-12-05          | coordinator: -                    # not offered
    meeting_date d_meeting_street =2026-12-04   | street: meeting.scheduled*
    meeting_date d_meeting_ended =2026-12-04    | ended: -
    meeting_date d_meeting_admin =2026-12-04    | admin: -
    meeting_how d_meeting =this                 | coordinator: meeting.scheduled*
    meeting_how d_meeting =outside              | coordinator: -
    meeting_how d_meeting_ended =this           | ended: -
    meeting_how d_meeting_admin =this           | admin: -
    meeting_put_off d_move                      | secretary: meeting.put_off_done*
    meeting_put_off d_move_coordinator          | coordinator: -                    # once noticed it is the secretary's
    meeting_put_off d_move_ended                | ended: -
    meeting_reply att_noticed_u1 =yes           | liaison: meeting.replied_yes* | liaison2 office: -
    meeting_reply att_noticed_u1 =leave         | liaison: meeting.leave_why | liaison2 office: -
    meeting_reply att_noticed_u2 =yes           | liaison2: meeting.replied_yes* | liaison office: -
    meeting_reply att_noticed_u4 =yes           | ended: -                          # no longer its liaison
    meeting_reply att_noticed_branch =yes       | branch: meeting.replied_yes* | liaison secretary: -
    meeting_reply att_session_u1 =yes           | liaison: -                        # opened already
    meeting_reply att_noticed_u1 =perhaps       | liaison: -
    meetings =0                                 | office street liaison liaison2 branch: meeting.list | leader other: meeting.list_none
    meeting_show m_noticed                      | office: meeting.status! | street: meeting.status | liaison liaison2 branch: meeting.own_status | ended: -
    meeting_show m_other                        | office: meeting.status! | street: meeting.status | liaison liaison2 branch: -
    meeting_agenda m_topics                     | office street liaison liaison2 branch leader other: meeting.agenda
    meeting_drop_topic m_topics =1              | office: meeting.agenda_empty* | liaison street branch: -
    meeting_drop_topic m_minuted =1             | coordinator: -
    meeting_open m_today                        | office: meeting.opened* | street liaison branch: -
    meeting_open m_noticed                      | clerk: -                          # not its day
    meeting_move m_noticed                      | office: meeting.move_how | street liaison branch: -
    meeting_roll m_session                      | office: meeting.roll! | street liaison branch: -
    meeting_sign att_session_u1                 | office: meeting.roll!* | liaison liaison2 street: -
    meeting_sign att_noticed_u1                 | clerk: -
    meeting_end m_session                       | office: meeting.ended!* | street liaison branch: -
    meeting_end m_held                          | clerk: -
    meeting_minutes m_held                      | office: minutes.show!* | liaison branch street: -  # not sent yet
    meeting_minutes m_minuted                   | office: minutes.show!* | liaison liaison2 branch: minutes.show!* | street ended: -
    meeting_send_minutes m_held                 | office: minutes.sent!* | liaison street: -
    meeting_send_minutes m_sent                 | clerk: -
    meeting_confirm_minutes m_sent              | secretary: minutes.early! | coordinator clerk liaison: -
    meeting_confirm_minutes m_held              | secretary: minutes.early_unsent | coordinator clerk liaison: -
    meeting_confirm_early m_sent                | secretary: minutes.confirmed_closed!* | coordinator clerk liaison: -
    meeting_confirm_early m_minuted             | secretary: -
    meeting_confirm_minutes m_minuted           | secretary: -
    meeting_calendar m_noticed                  | office street liaison liaison2 branch: meeting.calendar_file | ended leader: -
    meeting_calendar m_other                    | office street: meeting.calendar_file | liaison branch: -
    action_done item_u1                         | liaison office: action.ask_result | liaison2 street secretary: -
    action_done item_u4                         | office: action.ask_result | ended liaison: -
    action_items =0                             | office street liaison: action.list | all: action.list_none
    action_done item_done                       | liaison: -
    # §10 talk slot: what somebody booked is no meeting that others can open; only the desk is told of it
    talk_cancel                                 | reporter: talk.cancelled*
    meeting_show m_talk                         | coordinator: -
    meeting_agenda m_talk                       | coordinator liaison street: -
    meeting_drop_topic m_talk =1                | coordinator: -
    meeting_roll m_talk                         | coordinator: -
    meeting_calendar m_talk                     | coordinator: -
    meeting_minutes m_talk                      | coordinator: -
    # §5 Commitment: its owner writes and reports; the branch's secretary, or the community's above, approves and confirms
    promise                                     | member: promise.ask | branch secretary: -  # theirs is handed in
    promise_for d_promise =0                    | member: promise.ask
    promise_for d_promise =1                    | member: -
    promise_for d_promise_forged =0             | applicant: -
    promise_add d_promise                       | member: promise.ask_more
    promise_redo d_promise =1                   | member: promise.ask_again
    promise_redo d_promise =9                   | member: -
    promise_submit d_promise                    | member: promise.submitted*
    promise_submit d_promise_forged             | applicant: -
    promise_drop d_promise                      | member: promise.dropped
    promise_take_back pr_new                    | claimer: promise.taken_back* | branch secretary: -
    promise_take_back pr_unit                   | liaison: promise.taken_back* | secretary liaison2: -
    promise_take_back pr_public                 | member: -
    promise_approve pr_new                      | branch secretary: promise.approved!* | claimer coordinator leader other: -
    promise_approve pr_far                      | secretary: promise.approved!* | branch coordinator: -
    promise_approve pr_branch                   | secretary: promise.approved!* | branch coordinator: -  # nobody's own
    promise_approve pr_unit                     | secretary: promise.approved!* | liaison branch: -
    promise_approve pr_public                   | secretary: -
    promise_return pr_new                       | branch secretary: promise.return_what! | claimer coordinator: -
    promise_return pr_far                       | secretary: promise.return_what! | branch: -
    promise_return pr_branch                    | secretary: promise.return_what! | branch: -
    promise_lacks pr_new =measure               | branch secretary: promise.returned_done!* | claimer coordinator: -
    promise_lacks pr_far =measure               | secretary: promise.returned_done!* | branch: -
    promise_lacks pr_new =anything              | branch: -
    my_promises                                 | claimer captain head branch liaison liaison2 office: promise.mine | all: promise.none_mine_closed
    promises =0 =2024                           | all: promise.page!
    promise_show pr_new                         | claimer: promise.sheet! | branch secretary: promise.to_review! | coordinator member leader: -
    promise_show pr_old                         | claimer branch secretary: promise.sheet! | coordinator member: -
    promise_show pr_unit                        | liaison: promise.sheet | secretary: promise.to_review | liaison2 coordinator branch: -
    promise_show pr_public                      | all: promise.sheet!
    promise_show pr_votes                       | head branch secretary: promise.sheet! | all: promise.sheet!
    promise_report pr_review                    | captain: promise.report_ask | branch secretary coordinator: -
    promise_report pr_unit_ended                | ended: -
    promise_report pr_public                    | member: -
    ballot =0 @2026-12-18                       | raters: promise.ballot! | all: promise.ballot_empty
    to_vote pr_votes @2026-12-18                | raters: promise.to_vote! | head coming: -
    to_vote pr_votes                            | secretary: -                      # not open yet
    promise_vote pr_votes =kept @2026-12-18     | raters: promise.voted* | head coming: -
    promise_vote pr_votes =kept                 | secretary: -
    promise_vote pr_votes =great @2026-12-18    | secretary: -
    promise_confirm pr_votes @2026-12-28        | branch secretary: promise.proposal! | head coordinator leader: -
    promise_confirm pr_far_votes @2026-12-28    | secretary: promise.proposal! | branch: -
    promise_confirm pr_branch_votes @2026-12-28 | secretary: promise.proposal | branch: -
    promise_confirm pr_votes                    | branch: -                         # the votes are open still
    promise_excuse pr_votes =1 @2026-12-28      | branch secretary: promise.proposal!* | head coordinator: -
    promise_judge pr_votes =kept @2026-12-28    | branch secretary: promise.judged!* | head coordinator leader: -
    promise_judge pr_far_votes =kept @2026-12-28 | secretary: promise.judged!* | branch: -
    promise_judge pr_branch_votes =kept @2026-12-28 | secretary: promise.judged* | branch: -
    promise_judge pr_new =kept @2026-12-28      | branch: -
    promises_waiting =0                         | branch secretary: promise.waiting!
    promises_to_confirm =0                      | branch secretary: promise.confirm_list!
    # §5 Enrollment: the desk alone ends a unit's
    unit_leave d_unit_leave                     | coordinator: unit.withdraw_done*
    unit_leave d_unit_leave_ended               | ended: -
    unit_leave d_unit_leave_admin               | admin: -
    # stale screens: the button of a card that has been overtaken, or an id in the wrong state, is refused to everybody
    accept p_work                        | leader: -
    contacted p_refused                  | leader: -
    resolve p_done                       | leader: -
    escalate p_new                       | leader: -
    dispatch p_done                      | leader: -
    reject p_taken =invalid              | coordinator: -
    reject_reasons p_work                | coordinator: -
    return_to_grid p_done                | coordinator: -
    withdraw p_work                      | reporter: -
    appeal p_new                         | reporter: -
    rate p_work =good                    | reporter: -
    rate p_done =excellent               | reporter: -
    solved p_work =yes                   | reporter: -
    talk p_refused                       | reporter leads: relay.ask
    dispatch_order o_open                | coordinator: -
    reject_order o_rated                 | coordinator: -
    withdraw_order o_open                | reporter: -
    claim t_over                         | member: -
    claim t_rated                        | member: -
    withdraw_claim t_over                | claimer: -
    confirm_withdraw t_there =sick       | claimer: -
    accept_offer c_held                  | claimer: -
    decline_offer c_over                 | claimer: -
    check_in t_held                      | claimer: -
    check_in t_over                      | claimer: -
    check_out t_soon                     | claimer: -
    verify c_there                       | taskleads: verify.not_out!       # a no that names the claimer
    excuse c_over =yes                   | head: -
    explain_absence t_over               | claimer: -
    rate_task t_open =good               | reporter: -
    rate_organisation t_open =5          | leader: -
    rate_organisation t_rated =6         | leader: -
    cancel_task t_rated                  | head: -
    confirm_post pc_held                 | leader: -
    decline_post pc_held                 | leader: -
    enrolment_answer enrolment_member =yes | leader: -
    enrolment_answer enrolment_gone =yes | leader: -
    enrolment_show enrolment_gone        | leader: -
    role_pick d_role secretary           | coordinator: -
    hand_over_pick d_handover =giver secretary | coordinator: -
    announcement_set d_announcement =audience =everybody | coordinator: -
    announcement_publish d_announcement =shout | coordinator: -
    # menus
    progress                             | reporter supporter neighbour: progress.list | all: progress.none
    my_problems                          | reporter supporter neighbour: progress.list | all: progress.none
    my_tasks                             | claimer: task.mine | all: task.mine_none
    help                                 | all: help
    help_on =member                      | active: help.on.member | all: help
    help_on =unit                        | liaison liaison2: help.on.unit | all: help
    help_on =tickets                     | leaders admin: help.on.tickets | all: help
    help_on =office                      | heads: help.on.office | all: help
    human                                | all: human.ask_what
    language =en                         | foreigner street stranger: language.chosen | all: language.chosen*
    cancel                               | all: cancelled
""")

# What may be pressed in a group, and what stands there then; every other button belongs into the private chat (§0.6).
IN_GROUP = {
    "claim": "claim.group.active", "claim_post": "post.group.applied", "dispatch": "work.in_private", "dispatch_order": "work.in_private",
    "reject_order": "work.in_private",
}  # fmt: skip
ALWAYS = ("9" * 22, "banana")
HOSTILE = ("", "-1", "９９", "الف", "'; DROP TABLE person;--", "\x00", "\ud800", "²", "\u202e1", "a" * 50)
KINDS = ("claimer", "p_new", "o_new", "t_open", "c_over", "check_in", "post_free", "pc_held", "team", "enrolment_applicant", "a_all",
         "audit", "log", "d_report", "d_order", "d_role", "d_roster", "d_enrolment", "d_import", "d_unit_enrolment")  # fmt: skip
slow = (pytest.mark.slow, pytest.mark.timeout(600))


def named(said: str) -> tuple[str, list[str]]:
    name, *arguments = said.split()
    return name, arguments


def another(kind: str, argument: str) -> bool:
    """Whether an id of this kind cannot be what the argument means; a number may count people, a draft be of the same dialog."""
    if argument in PEOPLE or kind in PEOPLE:
        return kind not in PEOPLE or argument not in PEOPLE
    if kind.startswith("d_") and argument.startswith("d_"):
        return not argument.startswith(kind)
    return kind.split("_")[0] != argument.split("_")[0] and not (kind == "log" and argument.startswith("="))


def filled(forge: Forge, arguments: list[str]) -> list[str]:
    return [argument[1:] if argument.startswith("=") else forge.ids[argument] for argument in arguments]


def test_every_button_there_is_stands_in_the_table():
    known = {named(row.said)[0] for row in BUTTONS}
    assert not set(ACTIONS) - known, f"say above who may press {sorted(set(ACTIONS) - known)}"
    assert not known - set(ACTIONS), f"there is no button {sorted(known - set(ACTIONS))}"
    for row in BUTTONS:
        name, arguments = named(row.said)
        assert len(arguments) == len(ACTIONS[name].arguments), row.said


@pytest.mark.parametrize("share", [8, pytest.param(1, marks=slow)])
async def test_everybody_presses_everything(world_sqlite, share):
    forge = await Forge(world_sqlite).build()
    wrong = []
    for number, row in enumerate(BUTTONS):
        name, arguments = named(row.said)
        for who in row.sample(number, share):
            wrong += faults(forge, row, who, await forge.press(who, ACTIONS[name](*filled(forge, arguments)), day=row.day))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("share", [24, pytest.param(1, marks=slow)])
async def test_forged_data_changes_nothing_and_is_answered(world_sqlite, share):
    """Ids of the wrong kind, numbers no database holds, no arguments or too many: from who may press the button and from who may not."""
    forge = await Forge(world_sqlite).build()
    wrong, number = [], 0
    for row in BUTTONS:
        name, arguments = named(row.said)
        good = filled(forge, arguments)
        forged = [(":".join([name, *good, "x"]), True)] + [(":".join([name, *good[:-1]]), True)] * bool(good)
        for place, argument in enumerate(arguments):
            for made in (*ALWAYS, *HOSTILE, *(forge.ids[kind] for kind in KINDS if another(kind, argument))):
                forged.append((":".join([name, *good[:place], made, *good[place + 1 :]]), made in ALWAYS))
        nearest = min(row.clauses[0][0]) if row.clauses else "coordinator"
        for data, always in forged:
            number += not always
            if number % share and not always:
                continue
            for who in dict.fromkeys((nearest, "neighbour")):
                found = await forge.press(who, data)
                mine = found.at(f"private:{who}")
                said = [f"raised {found.error!r}"] if found.error else []
                said += [] if any(text.strip() for _, text in mine) else ["no answer"]
                said += [f"changed {left}"] if (left := found.wrote - LOOKS) else []
                said += group_faults(forge, found)
                wrong += [f"{data!r} by {who}: {one}" for one in said]
    assert not wrong, "\n".join(wrong)


async def test_a_button_of_the_private_chat_pressed_in_a_group_shows_and_changes_nothing(world_sqlite):
    forge = await Forge(world_sqlite).build()
    wrong = []
    for row in BUTTONS:
        name, arguments = named(row.said)
        entitled = sorted(people for clause, _ in row.clauses for people in sorted(clause)[:1])
        for chat in ("party", "public"):
            for who in dict.fromkeys((*entitled, "coordinator")):
                found = await forge.press(who, ACTIONS[name](*filled(forge, arguments)), chat)
                said = group_faults(forge, found) + ([f"raised {found.error!r}"] if found.error else [])
                said += [] if found.at(chat) else ["no answer"]
                if name not in IN_GROUP:
                    said += [f"changed {found.wrote}"] if found.wrote else []
                    said += [f"answered {found.shown}"] if found.keys(chat) != {"group.to_private"} else []
                elif row.of(who) is not None:
                    said += [f"answered {found.shown}"] if IN_GROUP[name] not in found.keys(chat) else []
                wrong += [f"{row.said} by {who} in {chat}: {one}" for one in said]
    assert not wrong, "\n".join(wrong)


async def test_the_running_service_refuses_them_all(world_sqlite):
    """Through inbox, turn and outbox: one who may not presses each button with real ids; no table but the machine's own has changed."""
    forge = await Forge(world_sqlite).build()
    before = await dump(forge)
    for row in BUTTONS:
        name, arguments = named(row.said)
        who = next((who for who in ("ended", "foreigner", "captain") if row.of(who) is None), None)
        if who is not None:
            answer = await forge.world.person(who).presses_action(ACTIONS[name](*filled(forge, arguments)))
            assert answer.text.strip(), row.said
            assert language_of(answer.text) == PEOPLE[who][2], answer
    assert await dump(forge) == before


async def dump(forge: Forge) -> dict[str, list[tuple]]:
    """Every row of every table that is the community's; drafts too, as nobody but their writers may touch them."""
    async with forge.app.database.transaction() as session:
        names = (await session.scalars(sa.text("SELECT name FROM sqlite_master WHERE type = 'table'"))).all()
        kept = [name for name in names if name == "draft" or name not in MACHINE | {"sqlite_sequence", "lease", "occurrence"}]
        return {name: sorted(map(repr, (await session.execute(sa.text(f'SELECT * FROM "{name}"'))).all())) for name in kept}
