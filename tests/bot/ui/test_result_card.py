"""The card keeps within Discord's limits and shows text as it is."""

from __future__ import annotations

from bot.store.drawings import StoredCard
from bot.store.models import Drawing, Result, VoteKind
from bot.ui.result_card import ResultCard, in_words
from retrieval.serving.messages import Confidence


def _card(title: str = "A cat", credit: str = "Ann", ranks: int = 5) -> StoredCard:
    results = [
        Result(id=10 + rank, rank=rank, title=title, credit=credit, score=0.5)
        for rank in range(1, ranks + 1)
    ]
    return StoredCard(
        Drawing(id=1, author_id=42),
        results,
        {result.id: dict.fromkeys(VoteKind, 0) for result in results},
    )


def test_a_full_card_keeps_within_forty_components_and_four_thousand_characters():
    card = ResultCard(_card("x" * 200, "y" * 200), with_photos=frozenset(range(1, 6)))
    assert card.total_children_count <= 40
    assert card.content_length() <= 4000


def test_long_and_odd_titles_do_not_break_the_card():
    for title in ("*_`~|>#" * 40, "猫" * 200, "@everyone <@1>", "[a](http://b)"):
        card = ResultCard(_card(title, title), with_photos=frozenset(range(1, 6)))
        assert card.content_length() <= 4000
        assert all(
            len(item["description"]) <= 1024
            for component in card.to_components()[0]["components"]
            for item in component.get("items", [])
        )


def test_a_photo_whose_file_is_gone_is_still_named_and_voted_on():
    with_all = ResultCard(_card(), with_photos=frozenset(range(1, 6)))
    without = ResultCard(_card(), with_photos=frozenset({1, 2, 4, 5}))
    assert with_all.total_children_count - without.total_children_count == 1


async def test_the_card_is_not_kept_by_discord_py():
    assert ResultCard(_card(), with_photos=frozenset()).is_finished()


def test_the_card_says_how_sure_it_is_without_one_component_more():
    said = in_words(Confidence("lost", 0.21))
    assert said == "-# No idea, but here is what came closest (21%)"
    plain, told = (
        ResultCard(_card("x" * 200, "y" * 200), with_photos=frozenset(range(1, 6)), confidence=text)
        for text in ("", said)
    )
    assert told.total_children_count == plain.total_children_count <= 40
    assert said in told.to_components()[0]["components"][0]["content"]
    assert in_words(None) == ""
