"""Importing a community: the workbook and GeoJSON there and back, nothing twice, nothing half, every fault with its place."""

import io
import json
import zipfile
from datetime import date, datetime

import pytest
import sqlalchemy as sa
from demo_workbook import demo_rows, demo_workbook
from import_stage import CLERK, GRIDS, UNITS, book, office_at

from models import (
    AuditLog,
    Community,
    Enrollment,
    Grid,
    OrgUnit,
    PartnerUnit,
    PartyMember,
    Person,
    Place,
    ResourceItem,
    RoleAssignment,
    StateLog,
    keyring,
)
from services import crs, exporting, spreadsheets
from services.importing import Source
from services.workdays import ZONE
from texts.workbook import sheets


@pytest.fixture
async def office(databases):
    with databases.fresh("sqlite") as url:
        async with office_at(url) as made:
            yield made


@pytest.fixture
async def both(database_url):
    async with office_at(database_url) as made:
        yield made


def contents(data: bytes) -> dict[str, list[str]]:
    """The rows of a workbook by sheet, whatever their order."""
    rows, faults = spreadsheets.read(data)
    assert faults == []
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.sheet.key, []).append(repr(sorted(row.values.items())))
    return {sheet: sorted(lines) for sheet, lines in found.items()}


# -- there and back -----------------------------------------------------------------------------------------------------
async def test_the_demo_comes_in_once_and_goes_out_as_it_came(both):
    data = demo_workbook()
    plan = await both.imports(data)
    assert plan.faults == []
    assert plan.changes == sum(map(len, demo_rows().values()))
    again = await both.imports(data)
    assert (again.changes, again.faults) == (0, [])
    async with both.turn() as context:
        out = await exporting.export(context)
    assert contents(out) == contents(data)
    assert (await both.imports(out)).changes == 0
    (community,) = await both.rows(Community)
    assert community.version == 2  # the one import that changed something
    states = [one.state for one in await both.rows(Enrollment)]
    assert (states.count("ACTIVE"), states.count("INVITED")) == (39, 1)
    assert {one.source for one in await both.rows(Enrollment)} == {"import"}
    log = await both.rows(StateLog)
    assert [one.event for one in log].count("invite") == 40
    assert [one.event for one in log].count("confirm") == 39
    actions = [one.action for one in await both.rows(AuditLog)]
    assert actions.count("community.imported") == 1
    assert actions.count("community.exported") == 1
    assert actions.count("role.granted") == 29 + 39


async def test_an_imported_person_is_known_by_phone_hash_with_role_scope_and_term(office):
    staff = {
        "name": "周禾生",
        "phone": "+86 138-0000-1234",
        "role": "网格长",
        "grid": "g1",
        "since": "2026年1月1日",
        "until": datetime(2026, 12, 31),  # noqa: DTZ001 (as a spreadsheet has it)
    }
    await office.imports(book(grids=GRIDS, staff=[staff]))
    (person,) = await office.rows(Person)
    assert (person.phone, person.phone_hash) == ("13800001234", keyring.hash("phone", "13800001234"))
    (role,) = await office.rows(RoleAssignment)
    assert (role.role, role.grid_code, role.unit_code) == ("grid_leader", "G1", None)
    assert (role.valid_from, role.valid_to) == (datetime(2026, 1, 1, tzinfo=ZONE), datetime(2027, 1, 1, tzinfo=ZONE))
    async with office.database.connection() as connection:  # nothing of it can be read in the file
        stored = (await connection.execute(sa.text("SELECT display_name, phone FROM person"))).one()
    assert all("周".encode() not in bytes(value) and b"1380" not in bytes(value) for value in stored)


async def test_changed_cells_update_empty_ones_and_missing_rows_are_left_alone(office):
    await office.imports(
        book(
            grids=GRIDS,
            units=[{"code": "U01", "name": "卫生中心", "address": "青禾路8号", "needs": "志愿者；场地"}, {"code": "U02", "name": "学校"}],
        )
    )
    plan = await office.imports(book(units=[{"code": "U01", "name": "卫生服务中心", "needs": "场地；讲座"}]))
    assert {key: vars(count) for key, count in plan.counts.items()} == {"units": {"new": 0, "changed": 1, "same": 0}}
    units = {unit.code: (unit.name, unit.address) for unit in await office.rows(PartnerUnit)}
    assert units == {"U01": ("卫生服务中心", "青禾路8号"), "U02": ("学校", "")}
    assert sorted(item.text for item in await office.rows(ResourceItem)) == ["场地", "志愿者", "讲座"]


async def test_a_person_without_a_code_is_known_by_phone_then_by_name_and_grid(office):
    member = {"name": "何晚晴", "phone": "13800000001", "kind": "在职党员", "grid": "G1"}
    await office.imports(book(grids=GRIDS, members=[member]))
    plan = await office.imports(book(members=[member | {"code": "M03", "enrolled": "2026-03-02"}]))
    assert plan.changes == 1
    plan = await office.imports(book(members=[{"name": "何晚晴", "kind": "在职党员", "grid": "G1"}]))
    assert (plan.changes, plan.faults) == (0, [])
    plan = await office.imports(book(members=[member | {"phone": "138\u200b０００００００１"}]))  # as a phone's keyboard writes it
    assert (plan.changes, plan.faults) == (0, [])
    (person,) = await office.rows(Person)
    assert person.code == "M03"
    (enrolled,) = await office.rows(Enrollment)
    assert (enrolled.state, enrolled.branch, enrolled.confirmed_at) == ("ACTIVE", "一区党支部", datetime(2026, 3, 2, 9, tzinfo=ZONE))


async def test_what_was_withdrawn_is_not_brought_back_by_a_list(office):
    member = {"code": "M03", "name": "何晚晴", "kind": "在职党员", "enrolled": "2026-03-02"}
    await office.imports(book(members=[member]))
    async with office.database.transaction() as session:
        await session.execute(sa.update(Enrollment).values(state="WITHDRAWN"))
    assert (await office.imports(book(members=[member]))).changes == 0
    assert [one.state for one in await office.rows(Enrollment)] == ["WITHDRAWN"]


async def test_a_resident_of_the_same_name_stays_a_stranger(office):
    async with office.turn() as context:
        known = Person(
            community_id=context.ground.community_id,
            display_name="何晚晴",
            phone="13900000000",
            phone_hash=keyring.hash("phone", "13900000000"),
        )
        context.session.add(known)  # somebody who telephoned once
    await office.imports(book(members=[{"name": "何晚晴", "kind": "在职党员"}]))
    assert sorted(person.person_kind for person in await office.rows(Person)) == ["member", "resident"]


async def test_somebody_taken_down_by_phone_becomes_the_member(office):
    async with office.turn() as context:
        known = Person(
            community_id=context.ground.community_id,
            display_name="何晚晴",
            phone="13800000001",
            phone_hash=keyring.hash("phone", "13800000001"),
        )
        context.session.add(known)
    await office.imports(book(members=[{"name": "何晚晴", "phone": "13800000001", "kind": "在职党员"}]))
    (person,) = await office.rows(Person)
    assert person.person_kind == "member"


async def test_the_tree_of_organisations_has_paths_and_follows_a_move(office):
    orgs = [{"code": "A", "name": "总支"}, {"code": "B", "name": "支部", "parent": "A"}, {"code": "C", "name": "小组", "parent": "B"}]
    await office.imports(book(orgs=orgs))
    assert {org.code: org.path for org in await office.rows(OrgUnit)} == {"A": "A/", "B": "A/B/", "C": "A/B/C/"}
    await office.imports(book(orgs=[{"code": "D", "name": "二总支"}, {"code": "B", "name": "支部", "parent": "D"}]))
    assert {org.code: org.path for org in await office.rows(OrgUnit)} == {"A": "A/", "D": "D/", "B": "D/B/", "C": "D/B/C/"}


async def test_the_liaison_of_a_unit_is_in_the_list_of_staff(office):
    liaison = {"name": "姚丽华", "role": "单位联络员", "unit": "卫生中心"}
    await office.imports(book(units=UNITS, staff=[liaison]))
    (unit,), (person,) = await office.rows(PartnerUnit), await office.rows(Person)
    assert (unit.liaison_id, person.person_kind) == (person.id, "liaison")


# -- coordinates ----------------------------------------------------------------------------------------------------------
def test_gcj02_there_and_back():
    lat, lon = crs.to_gcj02(31.2012, 120.1515)
    assert (round(lat, 5), round(lon, 5)) == (31.19928, 120.15628)
    assert crs.to_wgs84(lat, lon) == (31.2012, 120.1515)
    # Tian'anmen as maps of both systems have it
    lat, lon = crs.to_gcj02(39.907375, 116.391349)
    assert abs(lat - 39.908776) < 2e-5
    assert abs(lon - 116.397592) < 2e-5
    assert crs.to_gcj02(51.5, -0.1) == (51.5, -0.1)


async def test_gcj02_is_converted_and_goes_out_with_its_own_numbers(office):
    corners = [crs.to_gcj02(lat, lon) for lat, lon in ((31.2, 120.15), (31.2, 120.153), (31.2025, 120.153), (31.2025, 120.15))]
    outline = "; ".join(f"{lon:.7f},{lat:.7f}" for lat, lon in corners)
    lat, lon = crs.to_gcj02(31.2012, 120.1515)
    data = book(
        grids=[{"code": "G1", "name": "一区", "crs": "gcj-02", "polygon": outline}],
        places=[{"name": "3幢", "lat": round(lat, 7), "lon": round(lon, 7), "crs": "GCJ02"}],
    )
    await office.imports(data)
    (grid,), (place,) = await office.rows(Grid), await office.rows(Place)
    assert [[round(lat, 5), round(lon, 5)] for lat, lon in grid.polygon] == [
        [31.2, 120.15],
        [31.2, 120.153],
        [31.2025, 120.153],
        [31.2025, 120.15],
    ]
    assert (round(place.lat, 5), round(place.lon, 5), place.grid_code) == (31.2012, 120.1515, "G1")
    assert (grid.surveyed["crs"], place.surveyed["lat"]) == ("GCJ02", round(lat, 7))
    async with office.turn() as context:
        out = await exporting.export(context)
    rows, _ = spreadsheets.read(out)
    assert rows[0]["polygon"] == [[round(lat, 7), round(lon, 7)] for lat, lon in corners]
    assert (rows[1]["lat"], rows[1]["lon"], rows[1]["crs"]) == (round(lat, 7), round(lon, 7), "GCJ02")
    assert (await office.imports(out)).changes == 0
    assert (await office.imports(data)).changes == 0


def geojson(outline=((120.15, 31.2), (120.153, 31.2), (120.153, 31.2025), (120.15, 31.2025), (120.15, 31.2)), system=None, **properties):
    feature = {
        "type": "Feature", "properties": {"code": "G1", "name": "一区", "households": 412, "branch": "一区党支部", **properties},
        "geometry": {"type": "Polygon", "coordinates": [list(map(list, outline))]},
    }  # fmt: skip
    return json.dumps({"type": "FeatureCollection", "features": [feature]} | ({"crs": system} if system else {})).encode()


async def test_grids_come_from_geojson_with_their_leader_and_their_system(office):
    staff = [{"name": "周禾生", "role": "协调员"}]
    plan = await office.imports(geojson(leader="周禾生"), book(staff=staff))
    assert plan.faults == []
    (grid,) = await office.rows(Grid)
    assert (grid.household_count, grid.branch_name, len(grid.polygon), grid.surveyed) == (412, "一区党支部", 4, None)
    assert {(role.role, role.grid_code) for role in await office.rows(RoleAssignment)} == {("coordinator", None), ("grid_leader", "G1")}
    assert (await office.imports(geojson(leader="周禾生"))).changes == 0
    named = {"type": "name", "properties": {"name": "GCJ-02"}}
    assert (await office.imports(geojson(system=named))).changes == 1
    assert (await office.imports(Source("g.geojson", geojson(), "GCJ02"))).changes == 0
    (grid,) = await office.rows(Grid)
    assert grid.surveyed["polygon"][0] == [31.2, 120.15]
    assert grid.polygon[0] != [31.2, 120.15]


# -- faults -----------------------------------------------------------------------------------------------------------------
STAFF = {"name": "周禾生", "role": "协调员"}
MEMBER = {"name": "何晚晴", "kind": "在职党员"}
PLACE = {"name": "3幢", "lat": 31.2012, "lon": 120.1515}
BROKEN = {
    "missing name": (book(staff=[{"role": "协调员"}]), "工作人员第2行“姓名”：没有填名字"),
    "unknown grid": (book(members=[MEMBER | {"grid": "G9"}]), "党员第2行“网格”：没有网格“G9”"),
    "duplicate code": (book(grids=[*GRIDS, *GRIDS]), "网格第3行“编号”：编号“G1”在这张表里出现了两次"),
    "a code no group can be bound by": (book(grids=[{"code": "A1", "name": "一区"}]), "网格第2行“编号”：网格编号“A1”要写成G1"),
    "duplicate place": (book(places=[PLACE, PLACE]), "地点第3行“名称”：地点“3幢”在这张表里出现了两次"),
    "bad coordinates": (book(places=[PLACE | {"lat": 120.15, "lon": 31.2}]), "地点第2行“纬度”：坐标不对"),
    "no number": (book(places=[PLACE | {"lat": "北纬31度"}]), "地点第2行“纬度”：“北纬31度”不是合适的数"),
    "outside the grid": (book(grids=GRIDS, places=[PLACE | {"grid": "G1", "lat": 31.3}]), "地点第2行“纬度”：坐标不在网格G1里"),
    "polygon not closed": (geojson(((1, 2), (3, 4), (5, 7))), "GeoJSON第1行“边界”：边界没有闭合"),
    "polygon crosses itself": (book(grids=[{"code": "G1", "name": "一区", "polygon": "0,0; 1,1; 1,0; 0,1"}]), "网格第2行“边界”：边界自己和自己交叉"),
    "too few points": (book(grids=[{"code": "G1", "name": "一区", "polygon": "0,0; 1,1"}]), "网格第2行“边界”：边界的点太少"),
    "no polygon": (geojson(()).replace(b'"Polygon"', b'"Point"'), "GeoJSON第1行“边界”：要一个没有洞的多边形"),
    "unknown role": (book(staff=[STAFF | {"role": "楼长"}]), "工作人员第2行“角色”：没有“楼长”这个角色"),
    "a role without its grid": (book(staff=[STAFF | {"role": "网格长"}]), "工作人员第2行“网格”：这个角色要填网格"),
    "unknown unit": (book(members=[MEMBER | {"unit": "U77"}]), "党员第2行“单位”：没有单位“U77”"),
    "bad phone": (book(staff=[STAFF | {"phone": "12345"}]), "工作人员第2行“电话”：这不是电话号码"),
    "phone twice": (
        book(staff=[STAFF | {"phone": 13800000001}], members=[MEMBER | {"phone": "138 0000 0001"}]),
        "党员第2行“电话”：这个电话已经是另一个人的",
    ),
    "code of another": (book(staff=[STAFF | {"code": "A1"}], members=[MEMBER | {"code": "a1"}]), "党员第2行“编号”：编号“A1”已经是另一个人的"),
    "namesakes": (book(grids=GRIDS, members=[MEMBER | {"grid": "G1"}, MEMBER | {"unit": "U01"}], units=UNITS), "党员第3行“姓名”：已经有同名的人"),
    "the same row again": (book(members=[MEMBER | {"code": "M1"}, MEMBER | {"code": "M1"}]), "党员第3行“姓名”：和前面的一行重复"),
    "bad date": (book(members=[MEMBER | {"enrolled": "2026-02-30"}]), "党员第2行“报到日期”：“2026-02-30”不是日期"),
    "bad kind of member": (book(members=[MEMBER | {"kind": "超级党员"}]), "党员第2行“类别”：没有“超级党员”这个党员类别"),
    "circle": (
        book(orgs=[{"code": "A", "name": "甲", "parent": "B"}, {"code": "B", "name": "乙", "parent": "A"}]),
        "组织第2行“上级编号”：上级绕成了圈：“A”成了自己的上级",
    ),
    "unknown parent": (book(orgs=[{"code": "A", "name": "甲", "parent": "Z"}]), "组织第2行“上级编号”：没有上级“Z”"),
    "unknown person": (book(orgs=[{"code": "A", "name": "甲", "secretary": "ST99"}]), "组织第2行“书记”：没有这个人"),
    "term": (book(staff=[STAFF | {"since": "2026-05-01", "until": "2026-04-01"}]), "工作人员第2行“任期止”：任期止早于任期起"),
    "identity number": (book(members=[MEMBER | {"home_org": "11010519491231002X"}]), "党员第2行“组织关系所在党组织”：含身份证号"),
    "formula": (book(staff=[STAFF | {"phone": "=1+1"}]), "工作人员第2行“C”：有公式"),
    "merged cells": (
        book(staff=[STAFF], touch=lambda made, pages: pages["staff"].merge_range(3, 1, 4, 1, "周")),
        "工作人员第4行“B”：有合并的单元格",
    ),
    "unknown sheet": (book({"积分": [["姓名"]]}, staff=[STAFF]), "积分：不认得这张表"),
    "unknown column": (book({"党员": [["姓名", "类别", "星座"], ["何晚晴", "在职党员", "天秤"]]}), "党员第1行“C”：不认得的表头“星座”"),
    "missing column": (book({"党员": [["姓名"], ["何晚晴"]]}), "党员第1行“类别”：缺少这一列的表头"),
    "too many rows": (book({"党员": [["姓名"], *[[]] * 6000, ["x"]]}), "党员：行或列太多"),
    "too far out": (book({"党员": [["姓名", "类别"]]}, touch=lambda made, pages: pages["党员"].write(3, 5000, "x")), "党员：行或列太多"),
    "too large": (b"PK\x03\x04" + bytes(spreadsheets.MOST_BYTES), "文件太大（上限2兆）"),
    "not an xlsx": (b"PK\x03\x04 not at all", "这不是能读的.xlsx文件"),
    "a text": ("姓名,电话".encode(), "这不是能读的.xlsx文件"),
    "encrypted": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500) + "EncryptedPackage".encode("utf-16-le"), "文件有密码"),
    "no geojson": (b'{"type": "Feature"}', "这不是GeoJSON"),
    "unknown system": (geojson(system="BD09"), "不认得坐标系"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
async def test_every_broken_row_is_named_and_nothing_of_its_file_comes_in(office, kind):
    data, said = BROKEN[kind]
    good = book(units=[{"code": "U50", "name": "好单位"}])
    faults = await office.faults(good, data)
    assert any(fault.startswith(said) for fault in faults), faults
    assert len(faults) <= 2
    for model in (PartnerUnit, Person, Grid, Place, OrgUnit, PartyMember, RoleAssignment):
        assert await office.rows(model) == []


async def test_an_identity_number_is_never_shown(office):
    number = "11010519491231002X"
    for key in ("name", "phone", "code", "skills", "grid"):
        faults = await office.faults(book(members=[MEMBER | {key: number}]))
        assert "身份证号" in faults[0]
        assert number not in "".join(faults)
    faults = await office.faults(book({"党员": [["姓名", "类别", number], ["何晚晴", "在职党员", "x"]]}))
    assert number not in "".join(faults)
    assert await office.rows(AuditLog) == []


async def test_all_faults_are_told_at_once(office):
    rows = [{"name": "甲", "role": "楼长", "phone": "1"}, {"role": "协调员"}, {"name": "乙", "role": "网格长"}]
    assert len(await office.faults(book(staff=rows))) == 4


async def test_a_bomb_is_not_unpacked(office):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"<workbook/>")
        archive.writestr("xl/worksheets/sheet1.xml", b" " * (spreadsheets.MOST_UNPACKED + 1))
    assert (await office.faults(buffer.getvalue()))[0].startswith("文件太大")


async def test_a_zip_that_lies_about_its_size_is_refused(office):
    data = bytearray(demo_workbook())
    at = data.find(b"xl/sharedStrings.xml", data.find(b"PK\x01\x02"))  # in the directory at the end
    data[at - 22 : at - 18] = (10).to_bytes(4, "little")
    assert (await office.faults(bytes(data)))[0].startswith("这不是能读的.xlsx文件")


async def test_who_leads_the_community_is_not_made_by_a_clerk(office):
    office.actor = CLERK
    faults = await office.faults(book(staff=[STAFF | {"role": "社区书记"}]))
    assert faults == ["工作人员第2行“角色”：书记和管理员的角色只有书记和管理员能给"]


# -- the template --------------------------------------------------------------------------------------------------------------
def test_the_template_has_every_sheet_its_words_and_an_example_that_is_left_out():
    rows, faults = spreadsheets.read(exporting.template())
    assert (rows, faults) == ([], [])
    with zipfile.ZipFile(io.BytesIO(exporting.template())) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist() if name.endswith(".xml")}
    for sheet in sheets():
        assert sheet.title in parts["xl/workbook.xml"]
    validations = "".join(parts.values())
    assert "社区书记,协调员" in validations
    assert "在职党员" in validations
    assert "示例" in parts["xl/sharedStrings.xml"]
    assert "身份证号" in parts["xl/sharedStrings.xml"]


async def test_the_examples_of_the_template_are_sound_rows(office):
    rows = {sheet.key: [{column.key: column.example for column in sheet.columns if column.example is not None}] for sheet in sheets()}
    rows["orgs"][0].pop("secretary")
    plan = await office.imports(book(**rows))
    assert plan.faults == []
    assert plan.changes == len(sheets())


async def test_what_looks_like_a_formula_goes_out_as_text(office):
    async with office.turn() as context:
        context.session.add(
            PartnerUnit(community_id=context.ground.community_id, code="U01", name="=HYPERLINK(1)", address="+1", org_code=None)
        )
    async with office.turn() as context:
        out = await exporting.export(context)
    with zipfile.ZipFile(io.BytesIO(out)) as archive:
        assert not any(b"<f>" in archive.read(name) for name in archive.namelist())
    assert (await office.imports(out)).changes == 0


def test_a_telephone_column_is_text_so_that_no_zero_is_lost():
    with zipfile.ZipFile(io.BytesIO(exporting.template())) as archive:
        styles = archive.read("xl/styles.xml").decode()
    assert 'numFmtId="49"' in styles


async def test_holidays_come_in(office):
    from models import HolidayDay

    await office.imports(book(holidays=[{"day": "2027-02-06", "kind": "上班", "name": "春节调休"}]))
    (day,) = await office.rows(HolidayDay)
    assert (day.day, day.is_workday, day.name, day.source) == (date(2027, 2, 6), True, "春节调休", "import")


async def test_an_import_in_two_processes_at_once_is_one_import(both):
    import asyncio

    data = book(grids=GRIDS, members=[MEMBER | {"grid": "G1"}])
    plans = await asyncio.gather(both.imports(data), both.imports(data))
    assert sorted(plan.changes for plan in plans) == [0, 2]
    assert len(await both.rows(Person)) == 1
