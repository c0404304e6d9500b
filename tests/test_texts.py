"""The words: every key in both languages, every hole filled alike, no Chinese in the rules, every key that the code names exists."""

import ast
import re
from pathlib import Path

import pytest

from texts.commands import command_menu
from texts.menu_screens import GROUPS
from texts.render import LANGUAGES, Capabilities, catalogue, holes, render, text
from texts.screen import Button, Key, Screen
from texts.utterances import intents, normalise, recognise

ROOT = Path(__file__).parent.parent
CHINESE = re.compile(r"[\u4e00-\u9fff]")
# Words that only Chinese has: a code that is typed, such as “撤回 WT-…”, stays Chinese in an English sentence.


def test_every_key_is_in_both_languages():
    first, second = (set(catalogue(language)) for language in LANGUAGES)
    assert first == second


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_empty(language):
    assert [key for key, value in catalogue(language).items() if not value.strip()] == []


def test_both_languages_have_the_same_holes():
    different = {key for key in catalogue("zh_CN") if holes("zh_CN", key) != holes("en", key)}
    assert different == set()


def test_chinese_screens_use_full_width_punctuation_between_chinese_words():
    half = re.compile(r"[\u4e00-\u9fff][,:;!?]|[,:;!?][\u4e00-\u9fff]")
    found = {key: value for key, value in catalogue("zh_CN").items() if half.search(re.sub(r"\{\w+\}", "", value))}
    assert found == {}


def _strings(path: Path):
    tree = ast.parse(path.read_text("utf-8"))
    documents = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body and isinstance(node.body[0], ast.Expr)
    }  # fmt: skip
    for node in ast.walk(tree):
        alone = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if alone:
            documents.add(id(node.value))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            yield node.value


@pytest.mark.parametrize("room", ["handlers", "services", "scheduler"])
def test_no_chinese_literal_in_the_rules(room):
    found = [(path.name, said) for path in (ROOT / room).glob("*.py") for said in _strings(path) if CHINESE.search(said)]
    assert found == []


def test_every_key_that_the_code_names_exists():
    """Strings that look like a key and are given to screen(), Screen(), Key(), Button() or Refusal()."""
    missing = []
    for path in [
        *(ROOT / "handlers").glob("*.py"),
        *(ROOT / "services").glob("*.py"),
        *(ROOT / "texts").glob("*.py"),
        *(ROOT / "bot").glob("*.py"),
    ]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("screen", "Screen", "Key", "Button", "Refusal")
            ):
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value not in catalogue("zh_CN"):
                    missing.append((path.name, node.lineno, first.value))
    assert missing == []


def test_a_line_whose_holes_are_all_empty_is_left_out():
    values = {"text": "x", "category": "y", "place": "z", "grid": "g", "photos": None, "outside": None}
    assert "照片" not in text("report.confirm", values, "zh_CN")
    assert "照片" in text("report.confirm", values | {"photos": 2}, "zh_CN")


def test_without_buttons_a_screen_becomes_a_numbered_menu():
    screen = Screen(
        "report.same",
        {"code": "WT", "state": "s", "place": "p", "text": "t"},
        ((Button("report.same_yes", "same:a:b"), Button("report.same_no", "different:a")),),
    )
    plain = render(screen, "zh_CN", Capabilities(buttons=False))
    assert plain.buttons == ()
    assert "1. 同一件" in plain.text
    assert "2. 不是" in plain.text
    assert plain.menu == (("同一件", "same:a:b"), (plain.menu[1][0], "different:a"))


def test_user_text_cannot_turn_the_line_around():
    shown = render(Screen("report.name", {"name": "a\u202eb\u200bc\x07"}), "zh_CN", Capabilities())
    assert shown.text == "abc"


def test_a_screen_survives_the_outbox():
    screen = Screen(
        "ticket.card",
        {"a": Key("category.B03"), "n": 3, "none": None, "l": ("x", Key("category.A01"))},
        ((Button(Key("report.name", {"name": "n"}), "claim:1"),),),
        ("m1",),
    )
    assert Screen.from_json(screen.to_json()).to_json() == screen.to_json()


def test_a_button_longer_than_64_bytes_is_refused_when_it_is_built():
    with pytest.raises(ValueError, match="64 bytes"):
        Button("menu.help", "接" * 22)


def test_long_texts_are_clipped_in_utf16_units():
    shown = render(Screen("report.name", {"name": "😀" * 3000}), "zh_CN", Capabilities(text_limit=4096))
    assert len(shown.text.encode("utf-16-le")) // 2 <= 4096


@pytest.mark.parametrize(
    ("said", "intent"),
    [
        ("我要报问题", "report"), ("报事", "report"), ("随手拍", "report"), ("/bao", "report"), ("匿名报:楼道有人抽烟", "anonymous"),
        ("受理 WT-20261119-0001", "accept"), ("签收WT-20261119-0001", "accept"), ("查进度", "progress"), ("查进度 WT-20261119-0001", "progress_code"),
        ("我的问题", "progress"), ("评价 WT-20261119-0001 不满意 太慢", "rate"), ("撤回 WT-20261119-0001", "withdraw"), ("误报", "false_alarm"),
        ("我要点单:量血压,周六上午", "order"), ("接单 31", "claim"), ("接单31", "claim"), ("我来 31", "claim"), ("接单 #31", "claim"), ("/claim 31", "claim"),
        ("退单 31 有应急任务", "withdraw_claim"), ("签到 31", "check_in"), ("签到 31 8246", "check_in_code"), ("签退 31", "check_out"),
        ("代签 31 何晚晴", "proxy"), ("派单 WT-20261119-0001 护理 1人 11月28日09:30", "dispatch"), ("派单 DD-20261119-0001 2人 11月28日9:30", "dispatch"),
        ("上报母墙 WT-20261119-0001 需要物业", "escalate"), ("并案 WT-20261119-0001 到 WT-20261119-0002", "merge"),
        ("不受理 WT-20261119-0001 内容无效", "reject"), ("办结 WT-20261119-0001 已经清理干净", "resolve"), ("退回网格 WT-20261119-0001 网格内可办", "return_to_grid"),
        ("延期 WT-20261119-0001 12月4日 等配件", "extend"), ("挂账 WT-20261119-0001 12月31日 等改造", "suspend"), ("恢复 WT-20261119-0001", "resume"),
        ("已联系 WT-20261119-0001 明天上门", "contacted"), ("解释后结案 WT-20261119-0001 已当面说明", "explain"),
        ("代录:王阿姨 13800000000 9幢路灯不亮", "on_behalf"), ("核验 31 何晚晴", "verify"), ("评单 31 5", "rate_task"), ("取消任务 31 下雨", "cancel_task"),
        ("绑定 党员群", "bind"), ("绑定 G1网格群", "bind"), ("帮助", "help"), ("菜单", "help"), ("转人工", "human"), ("我的任务", "my_tasks"),
        ("什么时候能修好啊?", "progress_asked"), ("我报的那个灯修好了吗", "progress_asked"), ("上次反映的漏水处理得怎么样了", "progress_asked"),
        ("怎么样了", "progress_asked"), ("还要多久", "progress_asked"), ("any news?", "progress_asked"),
        ("@linshao_bot 接单 31", "claim"), ("受理 WT-20261119-0001", "accept"), ("/bao@linshao_bot", "report"),
    ],
)  # fmt: skip
def test_the_grammar_of_the_contract(said, intent):
    found = recognise(said)
    assert found is not None, said
    assert found[0].name == intent


@pytest.mark.parametrize(
    "said", ["电梯什么时候修好", "路灯坏了三天了什么时候修", "我反映的问题没人管", "我报的路灯修好了", "多久来打扫一次楼道"]
)
def test_what_names_a_thing_or_tells_something_does_not_ask_for_progress(said):
    assert recognise(said) is None


@pytest.mark.parametrize("said", ["31", "大家晚上好", "今天谁在", "路灯坏了", "谢谢大家", "明天下雨记得收衣服", "接单的同志辛苦了"])
def test_chatter_is_no_intent(said):
    assert recognise(said) is None


def test_every_command_of_the_menu_is_spoken_by_an_intent():
    for language in LANGUAGES:
        for name, description in command_menu()[language]:
            assert re.fullmatch(r"[a-z0-9_]{1,32}", name)
            assert 1 <= len(description) <= 256
            assert recognise(f"/{name}") is not None, name


def test_spoken_forms_mean_their_own_intent():
    for intent in intents().values():
        if intent.spoken and not intent.slots:
            assert recognise(intent.spoken)[0] is intent, intent.name


def test_input_is_normalised():
    assert normalise("@bot 接单 31") == "接单 31"


_PLACEHOLDERS = {
    "编号": "WT-20261123-0001", "姓名": "何晚晴", "队名": "急救队", "电话": "13800000000", "……": "内容", "单位 ": "U05 ",
    "CODE": "WT-20261123-0001", "NAME": "何晚晴", "TEAM": "急救队", "PHONE": "13800000000", "UNIT": "U05", "…": "内容",
}  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_whatever_the_help_teaches_is_understood(language):
    """Each sentence of the help is one of the grammar, with something in place of its placeholders."""
    between, colon = ("、|；", "：") if language == "zh_CN" else (", |; ", ": ")
    not_understood = []
    for key in ("help.member", "help.unit", "help.office", *(f"help.on.{group}" for group in GROUPS)):
        for line in catalogue(language)[key].split("\n"):
            if not line.startswith("· "):
                continue
            for said in re.split(between, line.partition(colon)[2].replace("书记还有：", "").replace("the secretary also ", "")):
                example = said
                for placeholder, value in _PLACEHOLDERS.items():
                    example = example.replace(placeholder, value)
                if recognise(example) is None:
                    not_understood.append((key, said))
    assert not_understood == []
