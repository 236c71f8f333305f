"""Notes on the time axis."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('dashboard', '0008_queue_keeps'),
    ]

    operations = [
        migrations.CreateModel(
            name='Note',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(db_index=True)),
                ('text', models.CharField(max_length=200)),
                ('by', models.CharField(max_length=150)),
                ('written_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('broker', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='notes', to='dashboard.broker')),
                ('queue', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='notes', to='dashboard.queue')),
            ],
            options={
                'ordering': ('-at', '-id'),
                'constraints': [models.CheckConstraint(condition=models.Q(('queue', None), ('broker', None), _connector='OR'), name='note_about_one_queue_or_broker')],
            },
        ),
    ]
