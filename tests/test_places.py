"""Which place a sentence names: every way to say a building, the home's estate, aliases, and numbers that are no place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.understanding import demo_places
from services.place_words import building_numbers, parts, plain, spots, without_places
from services.places import Gazetteer, NamedPlace

GAZETTEER = Gazetteer(demo_places())
HOME = "青禾苑2幢"


def named(text: str, home: str | None = HOME) -> str | None:
    """Return the name of the one place the text names, None for anything else."""
    match = GAZETTEER.find(text, home)
    return match.places[0].name if match.kind == "place" else None


@pytest.mark.parametrize(
    "said",
    ["4幢", "4号楼", "四号楼", "4栋", "四幢", "４号楼", "4#楼", "4#", "4＃楼", "第四栋", "4 号楼", "building 4", "Block 4"],
)
def test_every_way_to_say_a_building_of_the_home_estate(said):
    assert named(f"{said}门口路灯不亮") == "青禾苑4幢"
    assert named(f"{said}门口路灯不亮", "溪畔花园2幢") == "溪畔花园4幢"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("十二幢没水", "青禾苑12幢"),
        ("10幢井盖没了", "青禾苑10幢"),
        ("溪畔花园5幢漏水", "溪畔花园5幢"),
        ("溪畔5幢漏水", "溪畔花园5幢"),
        ("溪畔小区的5号楼漏水", "溪畔花园5幢"),
        ("溪畔花园5漏水", "溪畔花园5幢"),
        ("梧桐新村五号楼", "梧桐新村5幢"),
        ("新村5幢", "梧桐新村5幢"),
        ("桐荫公寓A座", "桐荫公寓A座"),
        ("桐荫 a座", "桐荫公寓A座"),
        ("C座停水", "桐荫公寓C座"),
        ("Tongyin Block C lift", "桐荫公寓C座"),
        ("商街12号油烟", "望溪商街12号"),
        ("望溪商街十二号油烟", "望溪商街12号"),
        ("12号店油烟", "望溪商街12号"),
        ("3-2-501漏水", "青禾苑3幢"),
        ("村口那条河", "梧桐新村村口"),
        ("地库充电桩坏了", "溪畔花园地库"),
        ("小广场太吵", "青禾苑小广场"),
        ("党群中心几点开门", "青禾里社区党群服务中心"),
        ("驿站的空调", "骑手暖心驿站"),
        ("三号楼东侧垃圾投放点满了", "青禾苑3幢东侧垃圾投放点"),
    ],
)
def test_names_short_names_and_aliases(text, place):
    assert named(text) == place


@pytest.mark.parametrize(
    "text",
    ["3楼没水", "三楼太吵", "502室漏水", "1203漏水", "12月停水", "12月3号停水", "等了两天", "3个人打架", "打110", "13800138000",
     "3点半就吵", "一栋楼都停电了", "这栋楼", "十几栋都这样", "2号线", "3号停水", "三座大山", "in a building", "2026-11-23"],
)  # fmt: skip
def test_numbers_that_are_no_buildings(text):
    match = GAZETTEER.find(text, HOME)
    assert (match.kind, match.places, match.words) == ("none", (), "")


def test_a_number_in_several_estates_is_asked_unless_the_home_decides():
    match = GAZETTEER.find("3幢没电")
    assert match.kind == "ambiguous"
    assert {place.name for place in match.places} == {"青禾苑3幢", "溪畔花园3幢", "梧桐新村3幢"}
    assert GAZETTEER.find("3幢没电", "桐荫公寓A座").kind == "ambiguous"
    assert named("3幢没电", "梧桐新村9幢") == "梧桐新村3幢"
    assert named("14幢没电", None) == "青禾苑14幢"  # exists once
    assert GAZETTEER.find("30幢没电", HOME).kind == "unknown_building"
    assert GAZETTEER.find("溪畔12幢没电", HOME).kind == "unknown_building"


def test_another_estate_without_a_building_is_asked_and_never_becomes_the_home():
    match = GAZETTEER.find("溪畔花园大门口道闸坏了", HOME)
    assert match.kind == "ambiguous"
    assert {place.grid for place in match.places} == {"G3"}
    assert GAZETTEER.find("青禾苑大门口道闸坏了", HOME).kind == "none"


@pytest.mark.parametrize(
    ("text", "home", "detail"),
    [
        ("望溪商街太吵", HOME, "望溪商街"),
        ("梧桐新村停水了", HOME, "梧桐新村"),
        ("青禾苑大门口道闸坏了", "溪畔花园2幢", "青禾苑大门口"),
        ("青禾苑大门口道闸坏了", HOME, "青禾苑大门口"),
        ("梧桐新村停水了", None, "梧桐新村"),
    ],
)
def test_a_large_estate_without_a_building_is_no_choice_but_its_words_are_kept(text, home, detail):
    match = GAZETTEER.find(text, home)
    assert (match.kind, match.places, match.words) == ("none", (), "")
    assert match.detail == detail


def test_what_pins_a_report_down_within_an_estate():
    assert spots("3幢2单元501") == (frozenset("3"), frozenset("2"), frozenset({"501"}), frozenset(), frozenset())
    assert spots("西单元和甲单元")[1] == {"西", "甲"}
    assert spots("四楼和8层")[3] == {"4", "8"}
    assert "1" not in spots("顶楼漏雨")[3]
    assert "6" in spots("顶楼漏雨")[3]
    assert spots("楼顶搭棚")[3] & spots("顶楼搭棚")[3]
    assert not spots("楼顶种菜")[3] & spots("一楼种菜")[3]
    assert spots("三号充电桩坏了")[4] == {"3"}
    assert not spots("三号楼楼上下楼梯")[3] | spots("三号楼楼上下楼梯")[4]


def test_an_alias_of_one_estate_is_not_meant_where_another_is_named():
    assert named("地库灯坏了") == "溪畔花园地库"
    assert named("青禾苑3幢地库灯坏了") == "青禾苑3幢"


def test_where_the_writer_lives_gives_way_to_where_the_matter_is():
    assert named("我住三幢，九幢门口路灯不亮") == "青禾苑9幢"
    assert named("我住三幢，路灯不亮") == "青禾苑3幢"
    assert named("9幢贴了停水通知，可我们12幢也没水") == "青禾苑12幢"


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("3号楼2单元楼道堆满纸箱", "2单元楼道"),
        ("3幢东侧垃圾满了", "东侧"),
        ("4号楼三单元后面", "三单元后面"),
        ("3幢2单元501漏水", "2单元"),
        ("3幢1203室漏水", ""),
        ("2单元电梯坏了", "2单元"),
        ("电梯坏了", ""),
    ],
)
def test_the_detail_is_as_said_and_no_door_number(text, detail):
    assert GAZETTEER.find(text, HOME).detail == detail


def test_any_community_is_read_off_its_buildings_names():
    def place(name: str, kind: str = "building", aliases: tuple[str, ...] = ()) -> NamedPlace:
        return NamedPlace(name, "X", 30.0, 120.0, kind, aliases)  # type: ignore[arg-type]

    names = ("锦绣家园1栋", "锦绣家园2栋", "金桂小区1号楼", "金桂小区二号楼", "滨江路8号")
    other = Gazetteer([*map(place, names), place("滨江菜场", "place", ("菜场",))])
    assert other.find("二号楼", "金桂小区1号楼").places[0].name == "金桂小区二号楼"
    assert other.find("锦绣2号楼").places[0].name == "锦绣家园2栋"
    assert other.find("滨江路8号").places[0].name == "滨江路8号"
    assert other.find("菜场门口").places[0].name == "滨江菜场"
    assert other.find("1幢").kind == "ambiguous"
    assert Gazetteer([]).find("3幢").kind == "unknown_building"


def test_what_the_near_duplicates_need():
    assert building_numbers("十二号楼和A座") == {"12", "A"}
    assert parts("二单元501东边") == (frozenset({"2"}), frozenset({"501"}), frozenset("东"))
    assert without_places("3幢路灯坏了").split() == ["路灯坏了"]


@given(st.text(max_size=80))
def test_any_text_has_an_answer(text):
    match = GAZETTEER.find(text, HOME)
    assert match.words in plain(text)
    assert (len(match.places) == 1) == (match.kind == "place")
