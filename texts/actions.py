"""What a button does: typed actions with their arguments, at most 64 bytes, checked when they are built."""

from __future__ import annotations

LIMIT = 64
YES_OR_NO = ("yes", "no")


def check_action(data: str) -> str:
    """`data` when it fits a button. Raises ValueError: empty, or longer than 64 bytes."""
    if not data or len(data.encode()) > LIMIT:
        raise ValueError(f"button data must be 1 to {LIMIT} bytes, got {len(data.encode())}: {data!r}")
    return data


class Action:
    """A kind of press. `Action("claim", "task")` called with an id gives `claim:ID`; `parse` gives the arguments back by name.

    Whoever writes a client of their own sends whatever they like: an argument named in `choices` is one of them, and nothing else.
    """

    def __init__(self, name: str, *arguments: str, **choices: tuple[str, ...]) -> None:
        self.name, self.arguments, self.choices = name, arguments, choices

    def __call__(self, *values: str | int) -> str:
        if len(values) != len(self.arguments):
            raise ValueError(f"action {self.name} takes {self.arguments}, got {values}")
        return check_action(":".join([self.name, *map(str, values)]))

    def parse(self, data: str) -> dict[str, str] | None:
        """The arguments by name, or None when `data` is another action or malformed."""
        name, *values = data.split(":")
        if name != self.name or len(values) != len(self.arguments) or not all(values) or not data.isprintable():
            return None
        given = dict(zip(self.arguments, values, strict=True))
        return given if all(given[argument] in known for argument, known in self.choices.items()) else None

    def __repr__(self) -> str:
        return f"Do.{self.name}({', '.join(self.arguments)})"


class Do:
    """Every action there is."""

    # reporting
    report = Action("report")
    submit = Action("submit", "draft")
    anonymous = Action("anonymous", "draft")
    discard = Action("discard", "draft")
    change_category = Action("change_category", "draft")
    more_categories = Action("more_categories", "draft", "group")
    pick_category = Action("pick_category", "draft", "category")
    change_place = Action("change_place", "draft")
    pick_place = Action("pick_place", "draft", "place")
    add_photo = Action("add_photo", "draft")
    same = Action("same", "draft", "problem")
    different = Action("different", "draft")
    resume_draft = Action("resume_draft", "draft")
    # the reporter's own problem
    false_alarm = Action("false_alarm", "problem")
    withdraw = Action("withdraw", "problem")
    appeal = Action("appeal", "problem")
    rate = Action("rate", "problem", "grade")
    solved = Action("solved", "problem", "answer", answer=YES_OR_NO)
    show = Action("show", "problem")
    talk = Action("talk", "problem")
    # staff on a problem
    accept = Action("accept", "problem")
    contacted = Action("contacted", "problem")
    resolve = Action("resolve", "problem")
    escalate = Action("escalate", "problem")
    dispatch = Action("dispatch", "problem")
    reject = Action("reject", "problem", "reason")
    reject_reasons = Action("reject_reasons", "problem")
    return_to_grid = Action("return_to_grid", "problem")
    undo = Action("undo", "log")
    # orders, tasks, claims
    order = Action("order")
    submit_order = Action("submit_order", "draft")
    discard_order = Action("discard_order", "draft")
    dispatch_order = Action("dispatch_order", "order")
    reject_order = Action("reject_order", "order")
    withdraw_order = Action("withdraw_order", "order")
    claim = Action("claim", "task")
    withdraw_claim = Action("withdraw_claim", "task")
    confirm_withdraw = Action("confirm_withdraw", "task", "reason")
    accept_offer = Action("accept_offer", "claim")
    decline_offer = Action("decline_offer", "claim")
    check_in = Action("check_in", "task")
    check_out = Action("check_out", "task")
    approve_check_in = Action("approve_check_in", "check_in", "answer", answer=YES_OR_NO)
    verify = Action("verify", "claim")
    explain_absence = Action("explain_absence", "task")
    excuse = Action("excuse", "claim", "answer", answer=YES_OR_NO)
    rate_task = Action("rate_task", "task", "grade")
    rate_organisation = Action("rate_organisation", "task", "grade")
    cancel_task = Action("cancel_task", "task")
    show_task = Action("show_task", "task")
    # posts, teams, offers, record cards
    posts = Action("posts")
    my_posts = Action("my_posts")
    claim_post = Action("claim_post", "post")
    confirm_post = Action("confirm_post", "claim")
    decline_post = Action("decline_post", "claim")
    leave_post = Action("leave_post", "claim")
    confirm_leave_post = Action("confirm_leave_post", "claim")
    teams = Action("teams")
    join_team = Action("join_team", "team")
    refuse_team = Action("refuse_team", "team")
    leave_team = Action("leave_team", "team")
    team_claim_ask = Action("team_claim_ask", "task", "team")
    team_claim = Action("team_claim", "task", "team", "people")
    stop_offers = Action("stop_offers")
    resume_offers = Action("resume_offers")
    record_card = Action("record_card", "unit", "period")
    my_record_card = Action("my_record_card")
    # administration
    role_pick = Action("role_pick", "draft", "choice")
    role_confirm = Action("role_confirm", "draft")
    role_undo = Action("role_undo", "log")
    hand_over = Action("hand_over", "person")
    hand_over_pick = Action("hand_over_pick", "draft", "side", "person")
    hand_over_roles = Action("hand_over_roles", "draft")
    hand_over_confirm = Action("hand_over_confirm", "draft")
    roster_confirm = Action("roster_confirm", "draft")
    swap_answer = Action("swap_answer", "draft", "answer", answer=YES_OR_NO)
    announcement_set = Action("announcement_set", "draft", "what", "value")
    announcement_publish = Action("announcement_publish", "draft", "how")
    announcement_withdraw = Action("announcement_withdraw", "announcement")
    delete_data = Action("delete_data", "how")
    withdraw_consent = Action("withdraw_consent", "how")
    drop_card = Action("drop_card", "draft")
    # members and units report in
    enrol = Action("enrol")
    enrol_agree = Action("enrol_agree", "draft", "answer", answer=YES_OR_NO)
    enrol_pick = Action("enrol_pick", "draft", "field", "value")
    enrol_change = Action("enrol_change", "draft", "field")
    enrol_submit = Action("enrol_submit", "draft")
    enrol_discard = Action("enrol_discard", "draft")
    enrolment_answer = Action("enrolment_answer", "enrolment", "answer", answer=YES_OR_NO)
    enrolment_show = Action("enrolment_show", "enrolment")
    enrolment_edit = Action("enrolment_edit", "field")
    enrolment_switch = Action("enrolment_switch", "field")
    enrolment_leave = Action("enrolment_leave", "how")
    my_enrolment = Action("my_enrolment")
    my_hours = Action("my_hours")
    unit_pick = Action("unit_pick", "draft", "field", "value")
    unit_change = Action("unit_change", "draft", "field")
    unit_submit = Action("unit_submit", "draft")
    unit_discard = Action("unit_discard", "draft")
    unit_leave = Action("unit_leave", "draft")
    # setting a community up
    import_file = Action("import_file", "draft")
    drop_file = Action("drop_file", "draft")
    invite = Action("invite", "person")
    holidays_confirm = Action("holidays_confirm", "draft")
    holidays_drop = Action("holidays_drop", "draft")
    # promises
    promise = Action("promise")
    promise_for = Action("promise_for", "draft", "place")
    promise_add = Action("promise_add", "draft")
    promise_redo = Action("promise_redo", "draft", "number")
    promise_submit = Action("promise_submit", "draft")
    promise_drop = Action("promise_drop", "draft")
    promise_take_back = Action("promise_take_back", "promise")
    promise_approve = Action("promise_approve", "promise")
    promise_return = Action("promise_return", "promise")
    promise_lacks = Action("promise_lacks", "promise", "part")
    my_promises = Action("my_promises")
    promises = Action("promises", "offset", "year")
    promise_show = Action("promise_show", "promise")
    promise_report = Action("promise_report", "promise")
    ballot = Action("ballot", "offset")
    to_vote = Action("to_vote", "promise")
    promise_vote = Action("promise_vote", "promise", "grade")
    promise_confirm = Action("promise_confirm", "promise")
    promise_excuse = Action("promise_excuse", "promise", "number")
    promise_judge = Action("promise_judge", "promise", "grade")
    promises_waiting = Action("promises_waiting", "offset")
    promises_to_confirm = Action("promises_to_confirm", "offset")
    # digests, numbers, exports
    digest = Action("digest")
    digest_cases = Action("digest_cases", "offset")
    figures = Action("figures", "span", "grid")
    export = Action("export", "ledger", "span")
    export_unmasked = Action("export_unmasked", "ledger", "span")
    # meetings, decisions, talks
    meeting_date = Action("meeting_date", "draft", "day")
    meeting_how = Action("meeting_how", "draft", "how")
    meeting_put_off = Action("meeting_put_off", "draft")
    meeting_reply = Action("meeting_reply", "attendance", "answer")
    meetings = Action("meetings", "offset")
    meeting_show = Action("meeting_show", "meeting")
    meeting_agenda = Action("meeting_agenda", "meeting")
    meeting_drop_topic = Action("meeting_drop_topic", "meeting", "number")
    meeting_open = Action("meeting_open", "meeting")
    meeting_move = Action("meeting_move", "meeting")
    meeting_roll = Action("meeting_roll", "meeting")
    meeting_sign = Action("meeting_sign", "attendance")
    meeting_end = Action("meeting_end", "meeting")
    meeting_minutes = Action("meeting_minutes", "meeting")
    meeting_send_minutes = Action("meeting_send_minutes", "meeting")
    meeting_confirm_minutes = Action("meeting_confirm_minutes", "meeting")
    meeting_confirm_early = Action("meeting_confirm_early", "meeting")
    meeting_calendar = Action("meeting_calendar", "meeting")
    action_done = Action("action_done", "item")
    action_items = Action("action_items", "offset")
    talk_cancel = Action("talk_cancel")
    # menus
    progress = Action("progress")
    my_problems = Action("my_problems")
    my_tasks = Action("my_tasks")
    help = Action("help")
    help_on = Action("help_on", "group")
    human = Action("human")
    language = Action("language", "code")
    cancel = Action("cancel")


ACTIONS: dict[str, Action] = {value.name: value for value in vars(Do).values() if isinstance(value, Action)}

# Which plain answers ([plain] of answers.toml) press which button of the last message: on the cards of what one does oneself, and where
# one is asked in person. Not where something is only told: "all right" to the news of an enrolment does not confirm it.
_SEND, _AGREE, _REFUSE = frozenset({"agree", "submit"}), frozenset({"agree"}), frozenset({"refuse", "deny"})
_SAID: dict[str, frozenset[str]] = {
    **dict.fromkeys(("submit", "anonymous", "submit_order", "enrol_submit", "unit_submit", "promise_submit"), _SEND),
    **dict.fromkeys(("same", "role_confirm", "hand_over_confirm", "roster_confirm", "holidays_confirm", "import_file"), _AGREE),
    **dict.fromkeys(("different", "drop_card", "drop_file", "holidays_drop", "cancel"), _REFUSE),
    "enrol_agree:yes": _SEND, "enrol_agree:no": frozenset({"refuse"}), "swap_answer:yes": _AGREE, "swap_answer:no": _REFUSE,
}  # fmt: skip
assert {said.partition(":")[0] for said in _SAID} <= ACTIONS.keys()


def pressed_by(action: str) -> frozenset[str]:
    """The plain answers that stand for a press of the button with this action."""
    name, *values = action.split(":")
    return _SAID.get(f"{name}:{values[-1]}" if values and values[-1] in YES_OR_NO else name, frozenset())
