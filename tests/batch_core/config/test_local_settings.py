import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_core.config.local_settings import LocalSettings
from batch_core.errors import SettingsError

texts = st.text(st.characters(exclude_categories=["Cs"]))
comments = st.sampled_from(["", " ", "\n", '// a "comment", with ] } /*\n', '/* "a": 1, */', "/***/", "/* // \n */"])


def read(tmp_path, content: str | bytes):
    file = tmp_path / "local.settings.json"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return LocalSettings.read(file)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(texts, texts, max_size=4), st.lists(comments, min_size=30, max_size=30), st.booleans())
def test_comments_and_trailing_commas_change_nothing(tmp_path, values, between, is_trailing):
    gaps = iter(between)
    pairs = [
        f"{next(gaps)}{json.dumps(name)}{next(gaps)}:{next(gaps)}{json.dumps(value)}" for name, value in values.items()
    ]
    inner = (next(gaps) + ",").join(pairs) + (next(gaps) + "," if is_trailing and pairs else "")
    text = f'{next(gaps)}{{"Values":{next(gaps)}{{{inner}{next(gaps)}}}{next(gaps)}}}{next(gaps)}'
    assert read(tmp_path, text).values == values


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_editors_on_windows_write_is_read(tmp_path, encoding):
    assert read(tmp_path, '{\r\n"Values": {"A": "ä // no comment"}}'.encode(encoding)).values == {
        "A": "ä // no comment"
    }


def test_values_are_texts_as_core_tools_make_them(tmp_path):
    text = '{"Values": {"A": 2, "B": true, "C": false, "D": null, "E": 1.50, "F": -0, "G": ""}, "Host": {}}'
    assert read(tmp_path, text).values == {"A": "2", "B": "true", "C": "false", "E": "1.50", "F": "-0", "G": ""}


def test_sections_are_found_in_any_spelling_and_others_are_left_alone(tmp_path):
    text = '{"isEncrypted": false, "values": {"A": "a"}, "ConnectionStrings": {}, "host": {"localHttpPort": "7075"}}'
    own = read(tmp_path, text)
    assert (own.values, own.host_port) == ({"A": "a"}, 7075)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "line 1 column 1"),
        ('{\n/* a\nb */ "Values": {"A" "b"}}', "line 3 column"),
        ("{", "line 1"),
        ("[]", "'Values'"),
        ('{"IsEncrypted": false}', "'Values'"),
        ('{"Values": null}', "'Values'"),
        ('{"Values": {"A": ["hidden"]}}', "A must be a text"),
        ('{"Values": {"A": "hidden", "A": "b"}}', "has A twice"),
        ('{"IsEncrypted": true, "Values": {"A": "hidden"}}', "func settings decrypt"),
        ('{"isencrypted": "True", "Values": {}}', "func settings decrypt"),
        ('{"Values": {}, "Host": {"LocalHttpPort": 99999}}', "1 to 65535"),
        ('{"Values": {}, "Host": {"LocalHttpPort": "x"}}', "1 to 65535"),
        ('{"Values": {}, "Host": []', "line 1"),
        ('{"Values": {}, "Host": [1]}', "'Host'"),
        (b'{"Values": {"A": "\xff"}}', "not UTF-8"),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_what_cannot_be_used_is_reported_with_the_file_and_no_value(tmp_path, content, words):
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, content)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{tmp_path / 'local.settings.json'} is not valid: ")
    assert words in problem
    assert "hidden" not in problem


def test_a_folder_in_place_of_the_file_is_reported(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        LocalSettings.read(tmp_path)
