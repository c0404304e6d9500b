"""Every sentence of the grammar with the codes of others, typed by everybody, and dialogs that wait in the wrong hands (domain.md §4, §10).

Another reading of domain.md, as in tests/test_forged.py. Who adds a sentence says here who may say it, or the first test fails.
"""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from forged_tables import Row, faults, group_faults, table
from forging import Forge

from handlers.actions import Doing
from handlers.administration import HandOver
from handlers.dispatch import Dispatch
from handlers.enrolment_steps import DecliningEnrolment
from handlers.exports import Export
from handlers.meeting_replies import Leave
from handlers.mine import Appeal
from handlers.orders import Order
from handlers.posts import Declining, SetUp
from handlers.promise_approval import Approval
from handlers.promise_review import Review
from handlers.relay import Talk
from handlers.staff import Words
from handlers.tasks import CallOff
from handlers.verifying import Absence
from models import ChatAccount, Conversation, Draft
from texts.utterances import intents, recognise

SENTENCES = table("""
    # what is typed ({names} of tests/forging.py)  | people: the screen, * changes something, ! reads others' data
    # §5 Problem: grid leader (own grid), coordinator; extend, suspend and explain by the secretary alone
    受理 {P_new}                             | leads: done.accept*
    已联系 {P_taken} 已电话说明情况            | leads: done.contacted*
    办理 {P_taken}                           | leads: done.assign*
    上报母墙 {P_taken} 需要社区协调            | leads: done.escalate*
    办结 {P_work} 已经更换灯泡晚上正常亮了      | leads: done.resolve*
    并案 {P_new} 到 {P_work}                 | leads: done.merge*
    并案 {P_new} 到 {P_far}                  | office: done.merge*
    并案 {P_far} 到 {P_new}                  | office: done.merge*
    办理 {P_far}                             | other office: done.assign*
    上报母墙 {P_far} 需要社区协调              | other office: done.escalate*
    办结 {P_far} 已经更换灯泡晚上正常亮了        | other office: done.resolve*
    退回网格 {P_up} 属网格事项                 | office: done.return*
    不受理 {P_new} 非本社区                   | office: done.reject*
    恢复 {P_waits}                           | office: done.resume*
    延期 {P_work} 12月4日 等配件               | secretary: done.extend*
    挂账 {P_work} 12月31日 等施工              | secretary: done.suspend*
    解释后结案 {P_again} 已向居民解释           | secretary: done.explain*
    代录:证neighbour 13900000001 青禾苑4幢路灯不亮 | leads: on_behalf.done!*
    待办                                     | leaders: todo.list
    撤销                                     | leader: undo.done*
    # §4 see reporter contact; rate and withdraw own
    查进度 {P_new}                           | reporter: progress.sheet | leads: ticket.card! | all: progress.public
    查进度 {P_sealed}                        | leads: ticket.card! | all: progress.public
    查进度 {P_far}                           | supporter: progress.sheet | other office: ticket.card! | all: progress.public
    评价 {P_done} 满意                        | reporter: rating.thanks*
    评价 {P_sealed} 满意                      | sealed: rating.thanks*
    {P_done} 没解决                          | reporter: rating.reopened*
    撤回 {P_new}                             | reporter: withdraw.done*
    误报 {P_urgent}                          | reporter: false_alarm.done*
    申诉 {P_refused} 请再看看                  | reporter: appeal.done*
    # §5 Order, Task, Claim
    派单 {P_taken} 2人 11月28日09:30          | leads: dispatch.done*
    派单 {P_far} 2人 11月28日09:30            | other office: dispatch.done*
    派单 {O_new} 2人 11月28日09:30            | office: dispatch.done*
    不受理 {O_new} 超出范围                    | office: order.reject_done*
    撤回 {O_new}                             | reporter: order.withdrawn*
    查进度 {O_new}                           | reporter: order.sheet | office: order.sheet!
    接单 {T_open}                            | claimants: claim.receipt!*
    退单 {T_held} 有事                        | claimer: claim.left*
    签到 {T_soon}                            | claimer: check_in.ask
    签到 {T_soon} 8246                       | claimer: check_in.done*
    签退 {T_there}                           | claimer: check_out.done*
    代签 {T_soon} 证claimer                   | taskleads: check_in.proxy_done!*
    代签退 {T_there} 证claimer                | taskleads: check_out.proxy_done!*
    核验 {T_over}                            | taskleads: verify.list!
    核验 {T_over} 证claimer                   | taskleads: verify.done!*
    说明 {T_missed} 生病                      | claimer: claim.explain_done*
    评单 {T_rated} 5                         | leads: rating.organisation_done*
    取消任务 {T_open} 下雨                     | head office: task.cancelled!*
    任务 {T_held}                            | claimer head office: task.sheet! | all: task.sheet
    带队接单 {T_open} 1人                     | captain: team.claim_done!*
    # texts/administration.toml: nobody gives what stands above them
    授权 证member 网格长 G2                   | heads: role.confirm_grant!
    授权 证member 志愿者                      | heads: role.confirm_grant!
    授权 证member 协调员                      | secretary admin: role.confirm_grant!
    授权 证member 社区书记                     | secretary admin: role.confirm_grant!
    收回 证leader 网格长                      | heads: role.confirm_take!
    收回 证coordinator 协调员                 | secretary admin: role.confirm_take!
    角色 证leader                            | leaders admin: role.sheet!
    工作人员                                  | leaders admin: staff.sheet!
    交接 证leader 给 证clerk                  | office: handover.confirm
    排班 11月26日 证duty                      | office: duty.confirm
    换班 11月25日 证clerk                     | office: duty.swapped* | duty: duty.swap_waits
    设置热线 12345678                         | office: duty.reach_set*
    设置值班时间 全天                          | office: duty.reach_set*
    公告:停水                                 | leaders: announcement.preview
    公告到12月1日:停水                         | leaders: announcement.preview
    撤回公告 {A_all}                          | office: announcement.withdrawn*
    撤回公告 {A_grid}                         | leads: announcement.withdrawn*
    查看记录 证member                         | secretary admin: audit.none!
    # §4 exports, §6
    今日简报                                  | leaders street: digest
    本周简报                                  | leaders street: digest
    还有哪些没办                               | leaders: todo.list | all: report.choose_category
    逾期的是哪几个                             | leader: digest.no_overdue | leaders: digest.overdue | all: unclear.answer
    今天有什么事                               | leaders: digest | all: chatter.answer
    下周有什么会                               | office: meeting.list | leader other: meeting.list_none | all: unclear.answer
    {P_new} 这边还请再看看                      | leads: ticket.named! | all: progress.named
    {P_sealed} 这边还请再看看                   | leads: ticket.named! | all: progress.named
    第四季度指标                               | leaders street: figures
    第四季度指标 G2                            | other office street: figures
    导出 问题墙台账 2026年第四季度              | leaders: export.done
    导出 问题墙台账 2026年第四季度 不打码 原因:核对回访 | office: export.done | leader: -
    导出 社区资料                              | heads: setup.export
    导入模板                                  | heads: setup.template
    服务记录卡 2026年第四季度 U01              | office liaison: record.cards
    我的服务记录卡                             | active gone: record.mine
    邀请 证member                             | leads admin: invite.made!*
    邀请 证secretary                          | secretary admin: invite.made!*
    邀请 全部党员                              | heads: invite.list*
    录入节假日                                | heads: holidays.ask
    海报 G1                                                             # there is no page here: nobody gets one
    # §5 Enrollment, at the desk and one's own
    代报到 证neighbour 13900000001 社区党员 青禾苑4幢 | office: enrolment.ask_name
    待确认报到                                | leads: enrolment.pending! | other: enrolment.none_pending
    确认报到 证applicant                      | leads: enrolment.confirm_done!*
    不通过报到 证applicant 资料不全             | leads: enrolment.decline_done!*
    取消注销 证gone                           | office: enrolment.back_done!*
    健康豁免 证member 生病                     | office: member.exempt_done!*
    取消豁免 证member                         | office: member.counted_done!*
    党员类别                                  | office: member.kinds
    清单                                     | heads: lists.all
    清单 团队类别 加 抢险队                     | heads: lists.one*
    清单 团队类别 删 突击队                     | heads: lists.one*
    清单 团队类别 改 突击队 为 先锋队            | heads: lists.one*
    清单 预设 双队伍三报到四服务                | heads: lists.all*
    搬家 青禾苑2幢                            | active: enrolment.confirm_move | applicant: enrolment.record*  # corrected until it is confirmed
    转出                                     | member captain head: enrolment.ask_away
    取消报到                                  | applicant: enrolment.cancelled*
    注销报到 搬走了                            | member captain head: enrolment.withdraw_done*
    不再推荐                                  | active applicant gone: offers.stopped*
    恢复推荐                                  | active applicant gone: offers.resumed
    # units: their liaisons; the lists for liaisons and staff
    资源清单                                  | leaders branch admin street liaison liaison2: unit.no_resource
    需求清单                                  | leaders branch admin street liaison liaison2: unit.no_need
    登记资源:会议室                            | liaison liaison2: unit.list_resource*
    登记需求:志愿者                            | liaison liaison2: unit.list_need*
    # §5 Meeting; §10: coord convenes, clerk runs it, a unit answers and proposes, the owner says what was done
    开会 大党委会 12月1日14:30 党群中心二楼     | office street: meeting.scheduled* | liaison leader branch admin: -
    改期 {M_scheduled} 12月2日14:30 有事       | office: meeting.scheduled* | street liaison leader: -
    改期 {M_noticed} 12月2日14:30 有事         | secretary: meeting.scheduled* | coordinator clerk street: -
    改地点 {M_noticed} 三楼会议室             | office: meeting.place_changed* | street liaison leader: -
    改期 {M_owed} 有事                        | secretary: meeting.ask_put_off | coordinator clerk street: -
    取消会议 {M_noticed} 有事                  | secretary: meeting.cancelled* | coordinator clerk street: -
    会议                                      | office street liaison liaison2 branch: meeting.list | leader other: meeting.list_none
    会议 {M_noticed}                          | office: meeting.status! | street: meeting.status | liaison liaison2 branch: meeting.own_status | ended: -
    会议 {M_other}                            | office: meeting.status! | street: meeting.status | liaison branch: -
    加邀 {M_noticed} 无此人                   | leader: -
    撤邀 {M_noticed} 无此人                   | coordinator: -
    参加 {M_noticed}                          | liaison liaison2 branch: meeting.replied_yes* | coordinator secretary ended: -
    请假 {M_noticed} 要开会                    | liaison liaison2 branch: meeting.replied_leave* | coordinator ended: -
    参加 {M_other}                            | liaison branch: -
    提议题:路灯不亮                            | liaison liaison2: meeting.proposed* | coordinator branch ended: -
    议程 {M_topics}                           | office street liaison liaison2 branch leader other: meeting.agenda
    加议题 {M_topics} 路灯不亮                 | office: meeting.agenda* | liaison street branch: -
    删议题 {M_topics} 1                       | office: meeting.agenda_empty* | liaison street: -
    改议题 {M_topics} 1 路灯不亮               | office: meeting.agenda* | liaison street: -
    开始会议 {M_today}                        | office: meeting.opened* | street liaison: -
    会议签到 8246                             | liaison liaison2 branch: meeting.signed* | leader ended coordinator: -
    点名 {M_session}                          | office: meeting.roll! | street liaison: -
    散会 {M_session}                          | office: meeting.ended!* | street liaison: -
    议定 {M_session} U01 12月20日前 更换门禁    | office: action.decided* | street liaison: -
    完成 {ITEM_u1} 门禁已经更换好了             | liaison office: action.done* | liaison2 street branch: -
    完成 {ITEM_u4} 门禁已经更换好了             | office: action.done* | ended liaison: -
    延期 {ITEM_u1} 12月25日 配件没到            | secretary: action.extended* | coordinator liaison: -
    转办 {ITEM_u1} 另有安排                    | office: action.changed* | liaison street: -
    撤销议定 {ITEM_u1} 另有安排                 | secretary: action.changed* | coordinator liaison: -
    退回 {ITEM_done} 没有修好                  | office: action.changed* | liaison street: -
    议定事项                                  | office street liaison: action.list | all: action.list_none
    纪要 {M_held}                             | office: minutes.show!* | liaison street: -
    纪要 {M_minuted}                          | office liaison liaison2 branch: minutes.show!* | street ended: -
    意见 {M_held} 大家都同意                   | office: minutes.noted* | liaison street: -
    更正 {M_sent} 门禁数字不对                 | liaison liaison2: minutes.corrected* | coordinator branch ended: -
    更正 {M_minuted} 门禁数字不对 @2026-11-30   | liaison: -
    确认纪要 {M_sent}                         | secretary: minutes.early! | coordinator clerk liaison: -
    日历订阅                                  | office street liaison liaison2 branch leader other: meeting.feed_path
    预约说事:路灯不亮                          | all: talk.booked*
    取消说事                                  | reporter: talk.cancelled* | neighbour coordinator: -
    # §5 Commitment
    我要承诺:为独居老人上门理发,每月2次,12月20日前 | member: promise.draft | branch secretary: -  # theirs is handed in
    承诺公示                                  | all: promise.page!
    我的承诺                                  | claimer captain head branch liaison liaison2 office: promise.mine | all: promise.none_mine_closed
    {PR_new}                                  | claimer: promise.sheet! | branch secretary: promise.to_review! | coordinator member: -
    {PR_public}                               | all: promise.sheet!
    撤回承诺 {PR_new}                         | claimer: promise.taken_back* | branch secretary: -
    通过承诺 {PR_new}                         | branch secretary: promise.approved!* | claimer coordinator: -
    通过承诺 {PR_far}                         | secretary: promise.approved!* | branch: -
    通过承诺 {PR_branch}                      | secretary: promise.approved!* | branch: -
    退回承诺 {PR_new} 没有数量                 | branch secretary: promise.returned_done!* | claimer coordinator: -
    待审承诺                                  | branch secretary: promise.waiting!
    践诺 {PR_public} 已完成第1项               | member: promise.progress_kept* | branch secretary coordinator: -
    践诺 {PR_unit_public} 已完成第1项          | liaison2: promise.progress_kept* | liaison secretary: -
    述诺 {PR_review} 第1项完成                 | captain: promise.reported* | branch secretary member: -
    述诺 {PR_unit_ended} 第1项完成             | ended: -
    评诺 @2026-12-18                          | raters: promise.ballot! | all: promise.ballot_empty
    评诺 {PR_votes} 兑现 @2026-12-18           | raters: promise.voted* | head coming: -
    评定承诺                                  | branch secretary: promise.confirm_list!
    评定 {PR_votes} 兑现 @2026-12-28           | branch secretary: promise.judged!* | head coordinator: -
    评定 {PR_far_votes} 兑现 @2026-12-28       | secretary: promise.judged!* | branch: -
    我有异议:第1项做完了                       | member: promise.objected!* | branch claimer: -
    # what is said loosely, and what the desk ends for others
    帮助 工单                                 | leaders admin: help.on.tickets | all: help
    授权:证member 做点事                       | coordinator: -  # which role?
    交接 证leader                             | office: handover.ask_to
    代注销 证member 搬走了                     | office: member.withdraw_done!*
    代转出 证member 搬走了                     | office: member.transfer_done!*
    注销单位 U03 搬走了                        | office: unit.ask_withdraw!
    转出单位 U03 搬走了                        | office: unit.ask_transfer!
    恢复单位 U03                              | coordinator: -  # it is here
    # posts and teams
    设岗 楼道长 青禾苑4幢 2人 2026年12月1日到2027年11月30日 职责:打扫 | leads: post.done*
    撤岗 {POST_held} 调整                     | leads: post.close_done*
    认岗 {POST_free}                         | active: post.applied*
    卸岗 {POST_held}                         | claimer: post.sure
    建队 新队 突击队 队长 证member              | office: team.set_up!*
    加队员 急救突击队 证member                  | captain office: team.asked!
    移出队员 急救突击队 证claimer               | captain office: team.remove_done!*
    换队长 急救突击队 证claimer                 | captain office: team.led!*
    解散 急救突击队                            | office: team.close_done*
    入队 急救突击队                            | member head: team.joined!*
    退队 急救突击队                            | claimer captain: team.left*
""")

# Deep links: whoever opens one types its payload as well as anybody.
LINKS = table(
    """
    task-{T_held}                            | claimer head office: task.sheet! | all: task.sheet
    tasks                                    | claimants: task.list | all: task.list_members
    dispatch-{P_taken}                       | leads: dispatch.missing
    dispatch-{P_far}                         | other office: dispatch.missing
    dispatch-{O_new}                         | office: dispatch.missing
    refuse-{O_new}                           | office: order.reject_why
    promises-2024                            | all: promise.page!
    promises-99999999999999999999            | all: promise.page!
    promise                                  | member: promise.ask | branch secretary: -
    ballot                                   | secretary: -  # not open yet
    refuse-{P_new}
    task-{p_new}
    dispatch-{t_open}
    """
    + "\n".join(f"{start}{said}" for start in ("task-", "dispatch-", "refuse-", "link-") for said in ("9" * 40, "banana", "%", "９９"))
)

# Sentences that anybody may say because they are about the speaker alone, or about nobody.
ONES_OWN = frozenset({
    "help", "human", "cancel", "language", "later", "progress", "progress_asked", "my_orders", "my_tasks", "my_posts", "my_teams", "my_enrolment", "my_hours", "my_data", "delete_data", "withdraw_consent",
    "report", "report_text", "anonymous", "anonymous_start", "order", "order_start", "rate_last", "solved_last", "rate_loosely", "withdraw_last", "enrol", "enrol_loosely",
    "unit_enrol", "check_in_any", "check_out_any", "claim_which", "pin", "posts", "teams", "open_tasks", "announcements", "duty_today", "duty_table", "hotline", "invite_help",
    "roles_help", "merge_help", "dispatch_help", "on_behalf_help", "join_loosely", "leave_loosely", "meeting_place_loosely", "held_already",
})  # fmt: skip
# In a group: who may bind it (services/identity.py); whatever else is typed there shows and changes nothing but a claim.
BINDING = table("""
    绑定 协调员群     | heads: group.bound
    绑定 G1网格群     | leads admin: group.bound
    绑定 G2网格群     | other heads: group.bound
""")
SPOKEN_IN_GROUPS = {"claim", "withdraw_claim", "team_claim"}


def test_every_sentence_there_is_stands_in_the_table():
    forms = {name: "WT-20261123-0001" for row in SENTENCES for name in _holes(row)} | {"O_new": "DD-20261123-0001"}
    forms |= {name: "31" for name in forms if name[0] in "TA" or name.startswith("POST")}
    for start, code in (("M_", "HY-20261123-0001"), ("ITEM_", "HY-20261123-0001-1"), ("PR_", "CN-20261123-0001")):
        forms |= {name: code for name in forms if name.startswith(start)}
    said = {found[0].name for row in SENTENCES if (found := recognise(row.said.format(**forms))) is not None}
    assert not (new := set(intents()) - said - ONES_OWN - {"bind"}), f"say above who may say {sorted(new)}"
    assert said | ONES_OWN <= set(intents())
    assert not said & ONES_OWN


def _holes(row: Row) -> list[str]:
    return [piece.partition("}")[0] for piece in row.said.split("{")[1:]]


@pytest.mark.parametrize("share", [10, pytest.param(1, marks=(pytest.mark.slow, pytest.mark.timeout(600)))])
async def test_everybody_types_everything(world_sqlite, share):
    forge = await Forge(world_sqlite).build()
    wrong = []
    for number, row in enumerate(SENTENCES):
        said = row.said.format(**forge.ids)
        for who in row.sample(number, share):
            wrong += faults(forge, row, who, await forge.say(who, said, day=row.day), said)
    assert not wrong, "\n".join(wrong)


async def test_everybody_opens_every_link(world_sqlite):
    forge = await Forge(world_sqlite).build()
    wrong = []
    for number, row in enumerate(LINKS):
        payload = row.said.format(**forge.ids)
        for who in row.sample(number, 3):
            wrong += faults(forge, row, who, await forge.open(who, payload), payload)
    assert not wrong, "\n".join(wrong)


async def test_in_a_group_nothing_private_is_shown_and_nothing_else_done(world_sqlite):
    forge = await Forge(world_sqlite).build()
    wrong = []
    for row in SENTENCES:
        said = row.said.format(**forge.ids)
        for who in dict.fromkeys((*(sorted(row.clauses[0][0])[:1] if row.clauses else ()), "coordinator")):
            found = await forge.say(who, said, "party")
            wrong += [f"{said} by {who}: {one}" for one in group_faults(forge, found, said)]
            if (heard := recognise(said)) and heard[0].name not in SPOKEN_IN_GROUPS:
                wrong += [f"{said} by {who} changed {found.wrote}"] if found.wrote else []
                wrong += [f"{said} by {who} told {told}"] if (told := {where for where, _, _ in found.shown} - {"party"}) else []
    for row in BINDING:
        for who in row.sample(0, 1):
            found = await forge.say(who, row.said, "grid-G1")
            bound = "group.bound" in found.keys("grid-G1")
            wrong += [f"{row.said} by {who}: {found.shown}"] if bound is not (row.of(who) is not None) or found.wrote or found.error else []
    assert not wrong, "\n".join(wrong)


# What each dialog waits for, as it stands in somebody's draft: who may go on with it, its step, the draft, the words that are awaited.
WAITING = {
    "words": ("leader", Words.text, {"problem": "p_work", "=verb": "resolve", "=words": "", "=day": ""}, "已经更换灯泡晚上正常亮了"),
    "words ": ("secretary", Words.text, {"problem": "p_work", "=verb": "suspend", "=words": "", "=day": "12月31日"}, "等施工"),
    "appeal": ("reporter", Appeal.reason, {"problem": "p_refused"}, "请再看看"),
    "talk": ("leader", Talk.text, {"problem": "p_work"}, "师傅下午到"),
    "dispatch": ("leader", Dispatch.line, {"code": "P_taken", "=line": {}}, "2人 11月28日09:30"),
    "refuse_order": ("coordinator", Order.refuse, {"order": "o_new"}, "超出范围"),
    "decline_post": ("leader", Declining.reason, {"claim": "pc_asked"}, "名额已满"),
    "post": ("leader", SetUp.post, {"=line": {}}, "楼道长 青禾苑4幢 2人 2026年12月1日到2027年11月30日 职责:打扫"),
    "decline_enrolment": ("leader", DecliningEnrolment.reason, {"enrolment": "enrolment_applicant"}, "资料不全"),
    "cancel_task": ("head", CallOff.reason, {"task": "t_open"}, "下雨"),
    "absence": ("claimer", Absence.reason, {"task": "t_missed"}, "生病了"),
    "export": ("coordinator", Export.reason, {"=ledger": "problems", "=period": "2026Q4"}, "核对回访名单"),
    "meeting_leave": ("liaison", Leave.reason, {"meeting": "m_noticed"}, "要开会"),
    "action_done": ("liaison", Doing.result, {"code": "ITEM_u1"}, "门禁已经更换好了"),
    "promise_return": ("branch", Approval.lacks, {"commitment": "pr_new"}, "没有数量"),
    "promise_return ": ("secretary", Approval.lacks, {"commitment": "pr_far"}, "没有数量"),
    "promise_report": ("captain", Review.report, {"commitment": "pr_review", "=marks": {}}, "第1项完成"),
    "objection": ("member", Review.objection, {}, "第1项做完了"),
    "handover_name": ("coordinator", HandOver.to, {"giver": "leader"}, "证clerk"),
}


@pytest.mark.parametrize("name", WAITING)
async def test_a_dialog_that_waits_in_the_wrong_hands_does_nothing(world_sqlite, name):
    """The role ended, or the draft was never theirs to begin: what was asked for is judged as if it came first."""
    forge = await Forge(world_sqlite).build()
    right, step, data, said = WAITING[name]
    kept = {key.lstrip("="): value if key.startswith("=") else forge.ids[value] for key, value in data.items()}
    for who in (right, "ended", "ended_leader", "neighbour", "other"):
        async with forge.app.database.transaction() as session:
            chat = await session.scalar(sa.select(ChatAccount.private_chat_id).where(ChatAccount.id == forge.accounts[who]))
            draft = Draft(account_id=forge.accounts[who], kind=name.strip(), data=kept, updated_at=forge.now)
            session.add(draft)
            await session.flush()
            session.add(Conversation(chat_id=chat, account_id=forge.accounts[who], step=step.name, draft_id=draft.id))
        found = await forge.say(who, said)
        assert found.error is None
        if who == right:
            assert not found.refused, found
        else:
            assert found.refused not in ("", "dialog.gone"), found
            assert not faults(forge, Row(name, ()), who, found, said)
