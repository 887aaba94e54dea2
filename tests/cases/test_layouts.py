"""Of files of any layout every record is accounted for: it has the verdict, and the values, that it was drawn with."""

from tests.flows.test_any_layout import check_file

FILES = 100_000


def test_every_record_of_a_hundred_thousand_files_is_accounted_for(tmp_path):
    for number in range(FILES):
        check_file(tmp_path, f"2026 {number}")
