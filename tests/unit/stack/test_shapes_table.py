"""docs/how-to/your-application.md: each shape of a project names what has tried it, a sample of tests/apps or a file of tests."""

import re


def test_each_shape_names_a_sample_or_a_test_that_exists(root):
    page = (root / "docs/how-to/your-application.md").read_text()
    _, *lines = page[page.index("| the project |") :].partition("\n\n")[0].splitlines()[1:]
    samples = set(re.findall(r'^        "([a-z]+)",  #', (root / "tests/apps/samples.py").read_text(), re.M))
    assert lines and samples
    for line in lines:
        named = re.findall(r"`([^`]+)`", line.rstrip(" |").rpartition(" | ")[2])
        assert named, f"nothing has tried it: {line}"
        unknown = [name for name in named if name not in samples and not (root / name).is_file()]
        assert unknown == [], line


def test_each_sample_has_a_folder_and_its_times(root):
    page = (root / "docs/how-to/your-application.md").read_text()
    timed = re.findall(r"`(\w+)` \| \d+ s \| \d+ s \|", page)
    samples = set(re.findall(r'^        "([a-z]+)",  #', (root / "tests/apps/samples.py").read_text(), re.M))
    folders = {
        path.name for path in (root / "tests/apps").iterdir() if path.is_dir() and path.name[0] not in "._"
    }
    assert samples == folders
    assert set(timed) == samples and len(timed) == len(samples)
