"""What a card says of data sets and models that are not ours."""

from __future__ import annotations

__all__ = ["CORPORA", "PUBLISHED", "PUBLISHED_NOTE"]

CORPORA = {
    "pets": (
        "Oxford-IIIT Pet (Parkhi, Vedaldi, Zisserman, Jawahar, CVPR 2012) at 128×128 with its "
        "trimaps; the border counts nowhere",
        "CC BY-SA 4.0",
    ),
    "fashion": (
        "people in the street, Clothing Co-Parsing (Yang, Luo, Lin, CVPR 2014)",
        "Apache-2.0",
    ),
    "horses": ("Weizmann horses (Borenstein, Ullman, ECCV 2002)", "research use"),
    "gaze_osie": ("OSIE scenes (Xu et al., Journal of Vision 2014)", "MIT"),
    "gaze_crowd": ("EyeCrowd scenes (Jiang, Xu, Zhao, ECCV 2014)", "MIT"),
    "gaze_scene": ("natural scenes with recorded gaze", "MIT"),
    "stamps": (
        "animals, vehicles, tools, food and plants, cut out, nearly all of them photographs: the "
        "stamps of Tux Paint (tuxpaint-stamps 2022.06.04) without its folders of drawings",
        "GPL-2",
    ),
    "davis_dev": ("ten sequences of DAVIS 2016 (Perazzi et al., CVPR 2016)", "CC BY-NC"),
    "DUTS-TR": (
        "DUTS-TR (Wang et al., CVPR 2017)",
        "free for academic and research purposes",
    ),
}
"""What is known of a set by the name of its folder: what it is, its licence."""

PUBLISHED = {
    "1edc64772498ab73ebdb17e21f49679ce5ded82534d47f557cd15fd36e1b46e7": "published student v1",
    "8cdaa6c10ab44d9b03a6a207603bd0b61f5c75a6beafdc82da57215f0a2ab2ed": "published student v2",
}
"""Models of others by their sha256."""

PUBLISHED_NOTE = (
    "The published students were trained on DUTS-TR by their authors "
    "(BSD-3-Clause-Plus-Patent); they are no part of this project."
)
