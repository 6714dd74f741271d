from chaos import files


def test_the_same_seed_plans_the_same_files_and_another_seed_others():
    assert files.plan(7, 60) == files.plan(7, 60)
    assert files.plan(7, 60) != files.plan(8, 60)


def test_so_many_files_are_planned_some_of_them_with_a_second_version_after_the_first():
    versions = files.plan(7, 300)
    seen = {}
    for version in versions:
        assert version.number == seen.get(version.name, 0) + 1
        seen[version.name] = version.number
    assert len(seen) == 300
    assert 20 < sum(number == 2 for number in seen.values()) < 90


def test_the_names_are_of_every_kind():
    names = {version.name for version in files.plan(7, 60)}
    assert max(map(len, names)) > 900
    assert len({name.lower() for name in names}) < len(names)
    for awkward in (" ", "'", '"', "$(touch x)", "%2F", "..", "\n", "\u202e", "//", "日本", "?", "#", "*"):
        assert any(awkward in name for name in names), awkward
    for last in "./ ":
        assert any(name.endswith(last) for name in names), last
    for behaviour in ("-exit7", "-bytes", "-slow"):
        assert any(behaviour in name for name in names), behaviour


def test_the_contents_are_of_every_kind():
    contents = [version.content for version in files.plan(7, 300)]
    assert b"" in contents
    assert max(map(len, contents)) > 2_000_000
    assert any(b"\0" in content for content in contents)
    assert any(content.isascii() and content for content in contents)
