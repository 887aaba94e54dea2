"""Words for reviews, by language and mood: bad, so-so, good."""

from __future__ import annotations

PHRASES = {
    "en": (
        (
            "Terrible quality, it broke after two days.", "Very disappointed, I want my money back.",
            "Awful service and the parcel was damaged.", "A waste of money, I hate it.",
            "Bad material, rude support, never again.", "Horrible smell and the wrong colour.",
        ),
        (
            "It is okay for the price.", "Average, neither here nor there.", "It does the job, delivery was slow.",
            "Not what I expected, but usable.", "Fine, although the box was open.",
        ),
        (
            "Excellent quality, I love it!", "Great product, fast delivery, very happy.",
            "Wonderful, my kids enjoy it.", "Perfect fit and a lovely colour.",
            "The best purchase this year, highly recommended.", "Beautiful and good value, thank you.",
        ),
    ),
    "zh": (
        (
            "\u8d28\u91cf\u592a\u5dee\u4e86\uff0c\u7528\u4e86\u4e24\u5929\u5c31\u574f\u4e86\u3002",
            "\u975e\u5e38\u5931\u671b\uff0c\u8981\u6c42\u9000\u8d27\u3002",
            "\u5ba2\u670d\u6001\u5ea6\u5f88\u5dee\uff0c\u4e0d\u4f1a\u518d\u4e70\u4e86\u3002",
            "\u5783\u573e\uff0c\u6d6a\u8d39\u94b1\u3002",
        ),
        (
            "\u4e00\u822c\u822c\u5427\u3002", "\u8fd8\u884c\uff0c\u7269\u6d41\u6709\u70b9\u6162\u3002",
            "\u4e0e\u63cf\u8ff0\u5dee\u4e0d\u591a\u3002",
        ),
        (
            "\u8d28\u91cf\u5f88\u597d\uff0c\u975e\u5e38\u559c\u6b22\uff01",
            "\u7269\u6d41\u5f88\u5feb\uff0c\u5f88\u6ee1\u610f\u3002",
            "\u6027\u4ef7\u6bd4\u9ad8\uff0c\u503c\u5f97\u8d2d\u4e70\u3002",
            "\u975e\u5e38\u4e0d\u9519\uff0c\u4e0b\u6b21\u8fd8\u4f1a\u518d\u6765\u3002",
        ),
    ),
    "pt": (
        ("P\u00e9ssimo, veio quebrado.", "N\u00e3o gostei, quero devolver.", "Muito ruim, n\u00e3o recomendo."),
        ("Mais ou menos.", "Atende, mas demorou."),
        ("\u00d3timo produto, recomendo!", "Adorei, chegou r\u00e1pido.", "Muito bom, excelente qualidade."),
    ),
}  # fmt: skip


def moods_of(language: str) -> tuple[tuple[str, ...], ...]:
    """The phrases of a language: bad, so-so, good."""
    return PHRASES[language]
