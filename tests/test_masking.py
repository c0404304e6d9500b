"""What others may see: every private number in the ways people write it, and everything that must stay readable."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.masking import find_phone, holds_identity_number, mask, mask_name, mask_phone

DEMO = Path(__file__).parents[1] / "demo"
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
CHINESE = str.maketrans("0123456789", "零一二三四五六七八九")


@pytest.mark.parametrize(
    "written",
    [
        "13800008000",
        "138 0000 8000",
        "138-0000-8000",
        "138.0000.8000",
        "138——0000——8000",
        "138，0000，8000",
        "1380000 8000",
        "1 3 8 0 0 0 0 8 0 0 0",
        "+8613800008000",
        "+86 138 0000 8000",
        "0086-13800008000",
        "(+86)13800008000",
        "013800008000",
        "１３８００００８０００",
        "一三八零零零零八零零零",
        "幺三八〇〇〇〇八〇〇〇",
        "138零零零零8000",
        "138\u200b0000\u200b8000",
        "1️⃣3️⃣8️⃣0️⃣0️⃣0️⃣0️⃣8️⃣0️⃣0️⃣0️⃣",
        "①③⑧00008000",
    ],
)
def test_mobile_numbers(written: str) -> None:
    masked = mask(f"请打{written}找我")
    assert "138****8000" in masked
    assert masked.startswith("请打")
    assert masked.endswith("找我")
    assert find_phone(f"请打{written}找我") == "13800008000" or "，" in written


@pytest.mark.parametrize(
    "written",
    [
        "0571-88886666",
        "0571 8888 6666",
        "(0571)88886666",
        "（0571）8888-6666",
        "057188886666",
        "010-88886666转801",
        "+86 571 8888 6666",
        "０５７１－８８８８６６６６",
        "88886666",
        "电话8888 6666",
        "座机：7654321",
        "联系电话 1234567",
    ],
)
def test_landlines(written: str) -> None:
    masked = mask(f"家里{written}，晚上打")
    assert "****" in masked
    assert not re.search(r"\d{3}", masked)
    assert masked.endswith("，晚上打")


@pytest.mark.parametrize(
    "written",
    [
        "110101199003077475",
        "11010119900307747X",
        "11010119900307747x",
        "110101 19900307 7475",
        "110101-19900307-7475",
        "110101-1990-03-07-7475",
        "１１０１０１１９９００３０７７４７５",
        "1101 0119 9003 0774 75",
        "110101900307747",
        "110101 900307 747",
        "6222021234567890123",
        "6222 0212 3456 7890 123",
        "6222-0212-3456-7890",
    ],
)
def test_identity_and_card_numbers(written: str) -> None:
    assert mask(f"证号{written}，请保密") == "证号****，请保密"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("5幢501室", "5幢***室"),
        ("５幢５０１室", "５幢***室"),
        ("5幢501", "5幢***"),
        ("青禾苑5幢2单元501", "青禾苑5幢2单元***"),
        ("5幢 2单元 501", "5幢 2单元 ***"),
        ("5号楼1203漏水", "5号楼***漏水"),
        ("五號樓一二零三漏水", "五號樓***漏水"),
        ("A座1203", "A座***"),
        ("3-2-501", "3-2-***"),
        ("3—2—501", "3—2—***"),
        ("5-501漏水", "5-***漏水"),
        ("3幢2-501", "3幢2-***"),
        ("5#501", "5#***"),
        ("十二楼1201", "十二楼***"),
        ("二单元五零一", "二单元***"),
        ("五〇一室", "***室"),
        ("501A室", "***室"),
        ("1203号房", "***号房"),
        ("2单元1室", "2单元***室"),
        ("2单元01", "2单元***"),
        ("某路12号501", "某路12号***"),
        ("我家住1203", "我家住***"),
        ("门牌号：1203", "门牌号：***"),
        ("楼上502天花板漏水", "楼上***天花板漏水"),
        ("501的邻居太吵", "***的邻居太吵"),
        ("三楼东户", "三楼***"),
        ("5幢501楼上漏水", "5幢***楼上漏水"),
        ("5幢501家里漏水", "5幢***家里漏水"),
        ("5幢501天天吵", "5幢***天天吵"),
        ("5幢501户主", "5幢***户主"),
        ("5幢120室", "5幢***室"),
    ],
)
def test_door_numbers_go_and_buildings_stay(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("车牌苏B12345挡路", "车牌苏B*****挡路"),
        ("京A·D12345", "京A·*****"),
        ("沪ad12345", "沪a*****"),
        ("苏B 1234挂", "苏B *****"),
        ("加我微信abc_12345", "加我微信****"),
        ("vx：wang-88", "vx：****"),
        ("微信号是 wang_88_cn", "微信号是 ****"),
        ("QQ：123456789", "QQ：****"),
        ("扣扣１２３４５６", "扣扣****"),
        ("写信到 wang.gy+1@mail.example.com 谢谢", "写信到 **** 谢谢"),
    ],
)
def test_plates_messengers_and_mail(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "WT-20261123-0001",
        "撤回 WT-20261123-0001 和 RW-20261120-0003",
        "WT202611230001",
        "HY-20260928-0001-2",
        "接单 31 #31 #310",
        "青禾苑4幢、三号楼、2单元、3幢东侧",
        "望溪商街12号",
        "桐荫公寓A座大厅",
        "2幢3楼",
        "1幢 2幢 13幢 14幢",
        "2026-11-23 08:30",
        "5幢2026-11-23停水",
        "11-18 2026.11.20 3幢",
        "20261123停水",
        "2026年11月23日14:30—16:00",
        "3号楼12:30停水",
        "5幢2026年改造",
        "物业费每月1200元，一共12000000元",
        "5幢1200元",
        "¥8880000",
        "5幢300户停水",
        "一座500年老桥",
        "3号楼200多人",
        "打110、119、120、12345、96123",
        "5幢120已经来了",
        "热线400-800-8888",
        "3室2厅，两室一厅",
        "办公室、活动室",
        "停电1-2小时，100-200元",
        "13 15 17 19 21 2 幢",
        "15 20 30 45 100",
        "2023-2024-2025-2026",
        "二楼三四五户",
        "微信支付了100元",
        "满意率98.5%，12/13",
        "",
    ],
)
def test_what_must_stay_readable(text: str) -> None:
    assert mask(text) == text


@pytest.mark.parametrize("file", ["problems.json", "tasks.json", "commitments.json", "community.json"])
def test_nothing_in_the_demo_community_is_mistaken(file: str) -> None:
    def texts(value: object) -> list[str]:
        if isinstance(value, dict):
            return [text for item in value.values() for text in texts(item)]
        if isinstance(value, list):
            return [text for item in value for text in texts(item)]
        return [value] if isinstance(value, str) else []

    found = texts(json.loads((DEMO / file).read_text("utf-8")))
    assert found
    assert [text for text in found if mask(text) != text] == []


def test_a_masked_phone_is_left_alone() -> None:
    assert mask("住13800008000") == "住138****8000"
    assert mask("13800008000室") == "138****8000室"


def test_what_a_star_uncovers_is_masked_too() -> None:
    # The digits before it hide that A-501 begins a word.
    assert mask("A幢88886666A-501") == "A幢****A-***"


def test_everything_at_once() -> None:
    text = "王桂英住青禾苑5幢2单元501，电话13800008000，身份证110101199003077475，见WT-20261123-0001"
    assert mask(text, ["王桂英"]) == "王**住青禾苑5幢2单元***，电话138****8000，身份证****，见WT-20261123-0001"


def test_names() -> None:
    assert mask("王桂英和欧阳修文", ["王桂英", "欧阳修文"]) == "王**和欧阳**"
    assert mask("王 桂英，王\u200b桂英", ["王桂英"]) == "王**，王**"
    assert mask("Alice Smith and alicia", ["Alice Smith", "Ali"]) == "A*** and alicia"
    assert mask("王芳芳与王芳", ["王芳", "王芳芳"]) == "王**与王**"
    assert mask("大王来了", ["王", ""]) == "大王来了"


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("王桂英", "王**"),
        ("王芳", "王**"),
        ("欧阳修文", "欧阳**"),
        ("欧阳锋", "欧阳**"),
        ("欧阳", "欧**"),
        (" 王桂英 ", "王**"),
        ("Alice", "A***"),
        ("Alice Smith", "A***"),
        ("", ""),
    ],
)
def test_mask_name(name: str, masked: str) -> None:
    assert mask_name(name) == masked


@pytest.mark.parametrize(
    ("phone", "masked"),
    [
        ("13800008000", "138****8000"),
        ("+86 138-0000-8000", "138****8000"),
        ("１３８００００８０００", "138****8000"),
        ("0571-88886666", "057****6666"),
        ("88886666", "****"),
        ("", "****"),
    ],
)
def test_mask_phone(phone: str, masked: str) -> None:
    assert mask_phone(phone) == masked


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("号110101199003077475。", True),
        ("110101 19900307 7475", True),
        ("１１０１０１１９９００３０７７４７５", True),
        ("110101199003077476", False),  # a wrong check digit
        ("110101199013077475", False),
        ("110105194912310021", False),
        ("11010519491231002X", True),
        ("11010519491231002ｘ", True),
        ("110101900307747", True),
        ("110101901307747", False),
        ("13800008000", False),
        ("WT-20261123-0001", False),
        ("", False),
    ],
)
def test_identity_numbers_are_recognised(text: str, holds: bool) -> None:
    assert holds_identity_number(text) is holds


@pytest.mark.parametrize(
    ("text", "phone"),
    [
        ("代录:王阿姨 13800000000 楼道灯坏了", "13800000000"),
        ("13800000000或13900000000", "13800000000"),
        ("WT-20261123-0001，139 0000 0000", "13900000000"),
        ("2026-11-15 138 0000 8000", "13800008000"),
        ("0571-88886666", None),
        ("12800008000", None),
        ("138000080001", None),
        ("110101199003077475", None),
        ("", None),
    ],
)
def test_find_phone(text: str, phone: str | None) -> None:
    assert find_phone(text) == phone


PHONES = st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True)
WRITINGS: st.SearchStrategy[Callable[[str], str]] = st.sampled_from(
    [
        lambda phone: phone,
        lambda phone: f"+86{phone}",
        lambda phone: f"{phone[:3]} {phone[3:7]} {phone[7:]}",
        lambda phone: f"{phone[:3]}-{phone[3:7]}-{phone[7:]}",
        lambda phone: phone.translate(FULL_WIDTH),
        lambda phone: phone.translate(CHINESE),
    ]
)
WORDS = st.text(st.sampled_from("青禾苑幢号楼单元室住电话微信QQ王桂英 ，。-:#/.*年月日元户的0123456789三五①ABXx\n"), max_size=30)


@given(before=st.text(max_size=20), phone=PHONES, after=st.text(max_size=20))
def test_no_masked_text_holds_a_bare_phone(before: str, phone: str, after: str) -> None:
    assert phone not in mask(before + phone + after)


@given(before=WORDS, phone=PHONES, after=WORDS)
def test_no_masked_text_holds_a_bare_phone_among_likely_words(before: str, phone: str, after: str) -> None:
    assert phone not in mask(before + phone + after)


@given(phone=PHONES, write=WRITINGS, before=st.text("青禾苑幢住请打，。", max_size=10))
def test_no_writing_of_a_phone_survives(phone: str, write: Callable[[str], str], before: str) -> None:
    written = write(phone)
    masked = mask(f"{before}{written}谢谢")
    assert written not in masked
    assert mask_phone(phone) in masked
    assert find_phone(masked) is None


@given(text=st.one_of(st.text(max_size=60), WORDS), names=st.lists(WORDS, max_size=3))
def test_masking_twice_is_masking_once(text: str, names: list[str]) -> None:
    once = mask(text, names)
    assert mask(once, names) == once


@pytest.mark.parametrize("piece", ["1 ", "138", "A", "3-2-", "微信", "5幢501室,", "a@", "1()", "\u200b", "0571"])
def test_hostile_length_is_no_burden(piece: str) -> None:
    # A pattern that backtracks without bound would not come back from this within the test's time limit.
    assert mask(piece * 4000) is not None


def test_names_that_hide_a_character_end() -> None:
    assert mask("欧阳来了", ["欧阳\u200b"]) == "欧**来了"
